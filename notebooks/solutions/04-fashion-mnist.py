# %% exercise-04-parameters: right
answer = 128 * (784 + 1) + 1000 * (128 + 1) + 10 * (1000 + 1)

# %% exercise-04-parameters: wrong
answer = 784 * 128 + 128 * 1000 + 1000 * 10


# %% exercise-04-confused: right
def answer(counts):
    wrong = counts.copy()
    np.fill_diagonal(wrong, -1)
    return divmod(int(wrong.argmax()), len(wrong))


# %% exercise-04-confused: wrong
def answer(counts):
    return divmod(int(counts.argmax()), len(counts))  # the right answers are the most


# %% exercise-04-mirrored: right
answer = cnn.predict(data.x_test[:, :, ::-1], verbose=0).argmax(axis=1)

# %% exercise-04-mirrored: wrong
answer = cnn.predict(data.x_test[:, ::-1], verbose=0).argmax(axis=1)  # upside down

# %% exercise-04-free-space: right
answer = models.cnn(data, filters=filters, dropout=0)
labkit.fit(answer, data, epochs=8, recipe="fast", augment=False)

# %% exercise-04-free-space: wrong
answer = models.cnn(data, filters=filters, dropout=0)  # never trained
