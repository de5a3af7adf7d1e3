# %% exercise-03-shape: right
answer = 28 - 5 + 1

# %% exercise-03-shape: wrong
answer = 28 - 5

# %% exercise-03-parameters: right
answer = 60 * (3 * 3 * 30 + 1)

# %% exercise-03-parameters: wrong
answer = 60 * (3 * 3 + 1)

# %% exercise-03-kernel: right
answer = keras.Sequential(
    [
        keras.layers.Input(data.input_shape),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(data.num_classes, activation="softmax"),
    ]
)

# %% exercise-03-kernel: wrong
answer = models.cnn(data, kernel_size=5, filters=(16, 32))

# %% exercise-03-free-space: right
answer = models.cnn(data, filters=(32, 64, 128))
labkit.fit(answer, data, epochs=6, recipe="fast")

# %% exercise-03-free-space: wrong
answer = one_layer  # the network of lab 02
