# %% exercise-c4-kinds: right
answer = {
    "the price of a flat, from 5,000 flats that were sold": "supervised",
    "groups of customers who buy alike; nobody has named the groups": "unsupervised",
    "spam or not: learned from a million mails, 300 of them marked": "semi-supervised",
    "a robot learns to walk; it is paid for each metre": "reinforcement",
    "dog or cat, from 25,000 photographs with their names": "supervised",
}

# %% exercise-c4-kinds: wrong
answer = {
    "the price of a flat, from 5,000 flats that were sold": "supervised",
    "groups of customers who buy alike; nobody has named the groups": "unsupervised",
    "spam or not: learned from a million mails, 300 of them marked": "supervised",  # few are
    "a robot learns to walk; it is paid for each metre": "reinforcement",
    "dog or cat, from 25,000 photographs with their names": "supervised",
}

# %% exercise-c4-diagnose: right
answer = {"A": "underfits", "B": "fits", "C": "overfits", "D": "overfits"}

# %% exercise-c4-diagnose: wrong
answer = {"A": "overfits", "B": "fits", "C": "overfits", "D": "fits"}


# %% exercise-c4-neighbours: right
def answer(features, targets, new, k):
    distances = np.linalg.norm(features - new, axis=1)
    nearest = distances.argsort()[:k]
    return targets[nearest].mean()


# %% exercise-c4-neighbours: wrong
def answer(features, targets, new, k):
    distances = np.linalg.norm(features - new, axis=1)
    farthest = distances.argsort()[-k:]
    return targets[farthest].mean()


# %% exercise-c4-three-parts: right
def answer(count, seed):
    order = np.random.default_rng(seed).permutation(count)
    a, b = round(0.6 * count), round(0.8 * count)
    return order[:a], order[a:b], order[b:]


# %% exercise-c4-three-parts: wrong
def answer(count, seed):
    order = np.arange(count)  # sorted: the last species only in the test part
    a, b = round(0.6 * count), round(0.8 * count)
    return order[:a], order[a:b], order[b:]
