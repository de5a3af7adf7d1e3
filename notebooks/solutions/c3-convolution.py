# %% exercise-c3-position: right
answer = (picture[3:6, 1:4] * kernel).sum()

# %% exercise-c3-position: wrong
answer = picture[3:6, 1:4].sum()  # without the kernel


# %% exercise-c3-size: right
def answer(side, layers):
    for kernel, stride, padding in layers:
        side = places(side, kernel, stride, padding)
    return side


# %% exercise-c3-size: wrong
def answer(side, layers):
    for kernel, stride, padding in layers:
        side = (side + padding - kernel) // stride + 1  # padding on one side only
    return side


# %% exercise-c3-pool: right
def answer(maps):
    rows, columns = maps.shape[0] // 2, maps.shape[1] // 2
    blocks = maps[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1)
    return blocks.mean(axis=(1, 3))


# %% exercise-c3-pool: wrong
def answer(maps):
    return max_pool(maps)


# %% exercise-c3-parameters: right
convolutions = 30 * (3 * 3 * 3 + 1) + 60 * (3 * 3 * 30 + 1) + 90 * (3 * 3 * 60 + 1)
answer = convolutions + 64 * (4 * 4 * 90 + 1) + 10 * (64 + 1)

# %% exercise-c3-parameters: wrong
answer = total + 30 * 3 * 3 * 2  # the last map has grown, too

# %% exercise-c3-field: right
answer = next(n for n in range(1, 28) if 1 + 2 * n >= 28)

# %% exercise-c3-field: wrong
answer = 28 // 3 + 1
