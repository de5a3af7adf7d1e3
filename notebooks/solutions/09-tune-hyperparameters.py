# %% exercise-09-grid: right
answer = 5 * 4 * 3 * 2

# %% exercise-09-grid: wrong
answer = 5 + 4 + 3 + 2

# %% exercise-09-space: right
answer = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "units": choice(32, 64, 128),
    "dropout": uniform(0, 0.5),
}

# %% exercise-09-space: wrong
answer = {
    "learning_rate": uniform(1e-4, 1e-1),  # hardly ever below 0.001
    "units": choice(32, 64, 128),
    "dropout": uniform(0, 0.5),
}


# %% exercise-09-best: right
def answer(table):
    complete = table[table["state"] == "complete"]
    return complete.set_index("trial")["accuracy"].idxmax()


# %% exercise-09-best: wrong
def answer(table):
    return table.set_index("trial")["accuracy"].idxmax()  # pruned ones, too


# %% exercise-09-free-space: right
answer = labkit.sweep(
    small_mlp,
    data,
    {"learning_rate": log_uniform(3e-3, 1e-2), "units": choice(128, 256)},
    trials=3,
    epochs=8,
    validation=validation,
    pruner=None,
    workers=1,
    study="mine",
    storage=studies.name,
)

# %% exercise-09-free-space: wrong
answer = by_chance  # 12 trials
