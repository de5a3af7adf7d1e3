# %% exercise-07-preprocess: right
def answer(picture):
    return picture[..., ::-1].astype("float32") - [103.939, 116.779, 123.68]


# %% exercise-07-preprocess: wrong
def answer(picture):
    return picture.astype("float32") - [123.68, 116.779, 103.939]  # red is still first


# %% exercise-07-decode: right
def answer(probabilities, names, k):
    return [(names[i], probabilities[i]) for i in np.argsort(-probabilities)[:k]]


# %% exercise-07-decode: wrong
def answer(probabilities, names, k):
    return [(names[i], probabilities[i]) for i in np.argsort(probabilities)[:k]]  # the least


# %% exercise-07-parameters: right
answer = (2048 + 1) * 12

# %% exercise-07-parameters: wrong
answer = 2048 * 12

# %% exercise-07-free-space: right
answer = models.transfer(pets, backbone=teacher)
labkit.fit(answer, pets, epochs=epochs, recipe="fast")
mirrored = labkit.data.Augment(flip="horizontal")
models.fine_tune(answer, learning_rate=0.003)
labkit.fit(answer, pets, epochs=8, recipe="fast", augment=mirrored)

# %% exercise-07-free-space: wrong
answer = from_nothing
