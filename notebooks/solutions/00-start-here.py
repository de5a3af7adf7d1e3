# %% exercise-00-first-cell: right
answer = sum(range(1, 11))

# %% exercise-00-first-cell: wrong
answer = sum(range(1, 10))

# %% exercise-00-shape: right
answer = data.x_test.shape

# %% exercise-00-shape: wrong
answer = data.x_test[0].shape
