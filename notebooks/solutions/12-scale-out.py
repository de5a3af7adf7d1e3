# %% exercise-12-average: right
def answer(pairs):
    total = sum(examples for _, examples in pairs)
    return sum(examples * gradient for gradient, examples in pairs) / total


# %% exercise-12-average: wrong
def answer(pairs):
    return np.mean([gradient for gradient, _ in pairs], axis=0)  # shares are not equal


# %% exercise-12-rank: right
def answer(environment):
    hosts = [f"train-{index}.train:2222" for index in range(4)]
    return int(environment["JOB_COMPLETION_INDEX"]), hosts


# %% exercise-12-rank: wrong
def answer(environment):
    rank = environment["JOB_COMPLETION_INDEX"]  # a text
    return rank, [f"train-{rank}.train:2222"]  # and its own address only


# %% exercise-12-parts: right
answer = (12, 28)

# %% exercise-12-parts: wrong
answer = (20, 20)  # A is through long before B

# %% exercise-12-job: right
mended["spec"]["completionMode"] = "Indexed"
mended["spec"]["template"]["spec"]["containers"][0]["args"][3:] = [
    "--workers=4",
    "--hosts=train-{index}.train:2222",
]
answer = mended

# %% exercise-12-job: wrong
mended["spec"]["completionMode"] = "Indexed"  # one mistake of three
answer = mended
