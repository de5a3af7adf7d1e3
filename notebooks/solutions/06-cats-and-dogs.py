# %% exercise-06-labels: right
def answer(said, threshold):
    return (said[:, 0] >= threshold).astype(int)


# %% exercise-06-labels: wrong
def answer(said, threshold):
    return (said[:, 0] == 1).astype(int)  # the mistake from the picture


# %% exercise-06-threshold: right
answer = np.sort(dogs)[len(dogs) // 10]  # a tenth of the dogs is below

# %% exercise-06-threshold: wrong
answer = 1

# %% exercise-06-picture: right
picture = labkit.data.read_picture(mystery, image_size=64)
answer = model.predict(picture[np.newaxis], verbose=0)

# %% exercise-06-picture: wrong
picture = labkit.data.read_picture(mystery, image_size=64) / 255  # the network does this itself
answer = model.predict(picture[np.newaxis], verbose=0)

# %% exercise-06-free-space: right
answer = models.cnn_bn(data, filters=(16, 32, 48, 64, 96))
# With the real data, train for more epochs.
labkit.fit(
    answer,
    data,
    epochs=5,
    recipe="fast",
    validation=0,
    augment=labkit.data.Augment(flip="horizontal", shift=3),
)

# %% exercise-06-free-space: wrong
answer = poor
