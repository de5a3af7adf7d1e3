# ruff: noqa: F811
# %% exercise-NN-steps: right
answer = 31 + 1

# %% exercise-NN-steps: wrong
answer = 1000 // 32


# %% exercise-NN-share: right
def answer(numbers):
    return [number / sum(numbers) for number in numbers]


# %% exercise-NN-share: wrong
def answer(numbers):
    return [number / max(numbers) for number in numbers]
