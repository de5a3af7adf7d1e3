# %% exercise-05-parameters: right
answer = 32 * (3 * 3 * 3 + 1)

# %% exercise-05-parameters: wrong
answer = 32 * (3 * 3 + 1)  # as if the pictures were grey

# %% exercise-05-augment: right
answer = ("horizontal", "", "vertical", "horizontal_and_vertical")

# %% exercise-05-augment: wrong
answer = ("horizontal", "horizontal", "horizontal", "horizontal")


# %% exercise-05-batch-norm: right
def answer(batch):
    return (batch - batch.mean(axis=0)) / np.sqrt(batch.var(axis=0) + 0.001)


# %% exercise-05-batch-norm: wrong
def answer(batch):
    return (batch - batch.mean()) / np.sqrt(batch.var() + 0.001)  # one mean for all maps


# %% exercise-05-free-space: right
answer = models.cnn_bn(data)
# With the real data, add augment=augment and a few epochs.
labkit.fit(answer, data, epochs=12, recipe="fast", augment=False)

# %% exercise-05-free-space: wrong
answer = models.cnn_bn(data)  # never trained
