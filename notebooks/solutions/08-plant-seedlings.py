# %% exercise-08-class-weights: right
def answer(labels):
    counts = np.bincount(labels)
    return len(labels) / (len(counts) * counts)


# %% exercise-08-class-weights: wrong
def answer(labels):
    return np.bincount(labels) / len(labels)  # the shares: the frequent weigh most


# %% exercise-08-mask: right
def answer(picture):
    hue, saturation, value = np.moveaxis(rgb_to_hsv(picture / 255), -1, 0)
    return ((hue < 0.05) | (hue > 0.95)) & (saturation > 0.6)


# %% exercise-08-mask: wrong
def answer(picture):
    hue, saturation, value = np.moveaxis(rgb_to_hsv(picture / 255), -1, 0)
    return (hue < 0.05) & (saturation > 0.6)  # the other end of the circle is red, too


# %% exercise-08-balanced: right
def answer(counts):
    return (np.diag(counts) / counts.sum(axis=1)).mean()


# %% exercise-08-balanced: wrong
def answer(counts):
    return np.trace(counts) / counts.sum()  # the plain accuracy


# %% exercise-08-free-space: right
answer = models.cnn_bn(small, filters=filters)
mirrored = labkit.data.Augment(flip="horizontal_and_vertical")
# With the real data, train for more epochs.
labkit.fit(answer, small, epochs=5, batch_size=32, recipe="fast", validation=0, augment=mirrored)

# %% exercise-08-free-space: wrong
answer = models.cnn_bn(small, filters=filters)  # never trained
