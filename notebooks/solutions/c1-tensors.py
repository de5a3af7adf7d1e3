# %% exercise-c1-width: right
apart = [np.abs(hidden[w:].astype(float) - hidden[:-w]).mean() for w in range(30, 81)]
answer = 30 + int(np.argmin(apart))

# %% exercise-c1-width: wrong
answer = 50


# %% exercise-c1-sideways: right
def answer(batch):
    return tf.transpose(batch, [0, 2, 1, 3])


# %% exercise-c1-sideways: wrong
def answer(batch):
    pictures, rows, columns, channels = batch.shape
    return tf.reshape(batch, (pictures, columns, rows, channels))


# %% exercise-c1-traces: right
answer = len({("float32", (2,)), ("float32", (1, 2)), ("int32", (2,)), ("float32", ())})

# %% exercise-c1-traces: wrong
answer = 6


# %% exercise-c1-slope: right
def answer(w, x, b, y):
    return 2 * (w * x + b - y) * x


# %% exercise-c1-slope: wrong
def answer(w, x, b, y):
    return 2 * (w * x + b - y)
