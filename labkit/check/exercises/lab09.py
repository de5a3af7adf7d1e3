"""The exercises of lab 09: grids, search spaces, the best trial, a search of your own."""

from labkit import space as spaces
from labkit.check.judging import (
    Unattempted,
    Verdict,
    Wrong,
    a_number,
    exercise,
    kind_of,
    one_number,
    plain,
    reason,
)


@exercise("09-grid", "Count the trials of a grid")
def _grid(answer):
    yield one_number(
        answer,
        120,
        "120 = 5 × 4 × 3 × 2: every value with every combination of the others",
        {
            14: "adds the values up; each of them is tried with every combination of the others",
            60: "leaves out the 2 activation functions",
            40: "leaves out the 3 values of dropout",
            20: "is 5 × 4 alone; each of these pairs is tried with every dropout and activation",
            4: "is the number of hyperparameters; each has several values",
            625: "is 5 to the power of 4; only the learning rate has 5 values",
        },
        "is not it; multiply how many values each of the four hyperparameters has",
    )


@exercise("09-space", "Write a search space")
def _space(answer):
    if not isinstance(answer, dict):
        raise Wrong(f"your answer is {kind_of(answer)}; a space is a dictionary: {{name: values}}")
    asked = ("learning_rate", "units", "dropout")
    for name in asked:
        if name not in answer:
            there = ", ".join(map(repr, answer)) or "nothing"
            raise Wrong(f"{name!r} is missing; the space has {there}")
        if not isinstance(answer[name], spaces.Choice | spaces.Range):
            raise Wrong(
                f"{name!r} is {kind_of(answer[name])}; say which values it may take with "
                "log_uniform, choice or uniform"
            )
    if len(answer) > len(asked):
        more = ", ".join(repr(name) for name in answer if name not in asked)
        raise Wrong(f"three hyperparameters are asked for; yours has {more} as well")
    drawn = _drawn(answer)
    said = _what_rates(drawn["learning_rate"])
    yield Verdict(not said, said or "learning_rate: each order of magnitude gets its share")
    said = _what_units(drawn["units"])
    yield Verdict(not said, said or "units: 32, 64 or 128")
    said = _what_dropout(drawn["dropout"])
    yield Verdict(not said, said or "dropout: any number from 0 to 0.5")


def _drawn(space, count=300) -> dict[str, list]:
    """Values of each parameter, as a random search draws them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=9))
    rows = [spaces.suggest(study.ask(), space) for _ in range(count)]
    return {name: [row[name] for row in rows] for name in space}


def _numbers(values) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _what_rates(values) -> str:
    """What is wrong with learning rates that were drawn; empty when nothing is."""
    few = _too_few(values)
    if few:
        return f"learning_rate: {few}; log_uniform takes any number between"
    # Most of them are above 0.02 only where all numbers, and not all factors, are as likely.
    if sum(value > 0.02 for value in values) > len(values) / 2:
        share = sum(value < 0.001 for value in values) / len(values)
        return (
            f"learning_rate: {share:.0%} of the values drawn lie below 0.001, which is one of "
            "three orders of magnitude; log_uniform gives each its share"
        )
    low, high = min(values), max(values)
    if low < 1e-4 or high > 0.1 or low > 2e-4 or high < 0.05:
        return f"learning_rate: the values drawn go from {low:.2g} to {high:.2g}, not 0.0001 to 0.1"
    return ""


def _what_units(values) -> str:
    """What is wrong with sizes that were drawn; empty when nothing is."""
    different = sorted(set(map(str, values)))
    if set(values) == {32, 64, 128}:
        return ""
    if len(different) > 6:
        return f"units: {len(different)} different values were drawn; choice takes one of a few"
    return f"units: the values drawn are {', '.join(different)}, not 32, 64 and 128"


def _what_dropout(values) -> str:
    """What is wrong with shares that were drawn; empty when nothing is."""
    few = _too_few(values)
    if few:
        return f"dropout: {few}; uniform takes any number between"
    low, high = min(values), max(values)
    if low < 0 or high > 0.5 or low > 0.05 or high < 0.45:
        return f"dropout: the values drawn go from {low:.2g} to {high:.2g}, not 0 to 0.5"
    return ""


def _too_few(values) -> str:
    """Whether these are a few values rather than any number; empty when they are not."""
    different = sorted(set(map(str, values)))
    if len(different) > 30 and _numbers(values):
        return ""
    return f"only {', '.join(different[:6])} can be drawn"


@exercise("09-best", "Find the best trial in a study's table")
def _best(answer):
    if not callable(answer):
        raise Wrong("hand over the function itself: its name, without brackets after it")
    for kind, table in _hidden_tables():
        try:
            found = answer(table.copy())
        except Exception as error:
            raise Wrong(f"your function stopped with {reason(error)}") from error
        if found is None or found is ...:
            raise Unattempted
        number = a_number(found)
        said = _what_trial(number, table)
        yield Verdict(not said, f"{kind}: {said or f'trial {plain(number)}'}")


def _hidden_tables():
    """Tables of studies in which no two kinds of mistake give the same number."""
    import pandas as pd

    def table(rows):
        made = pd.DataFrame(rows, columns=["trial", "state", "accuracy", "epochs"])
        made["learning_rate"] = 0.001 * (1 + made["trial"])
        return made

    none = float("nan")
    yield (
        "all complete, in another order",
        table([(4, "complete", 0.71, 9), (2, "complete", 0.93, 9), (5, "complete", 0.88, 9)]),
    )
    yield (
        "a pruned one with a higher accuracy",
        table(
            [
                (6, "pruned", 0.95, 3),
                (3, "complete", 0.81, 9),
                (1, "complete", 0.9, 9),
                (0, "pruned", 0.4, 1),
            ]
        ),
    )
    yield (
        "some that failed or still run",
        table(
            [
                (9, "failed", none, 0),
                (7, "running", 0.99, 8),
                (8, "complete", 0.5, 9),
                (5, "complete", 0.6, 9),
                (6, "waiting", none, 0),
            ]
        ),
    )


def _what_trial(value, table) -> str:
    """What is wrong with the number of a trial; empty when nothing is."""
    done = table[table["state"] == "complete"]
    best = done.loc[done["accuracy"].idxmax()]
    if value == best["trial"]:
        return ""
    if value == best["accuracy"]:
        return f"{plain(value)} is the accuracy of the best trial; its number is asked for"
    if value == best.name:
        return (
            f"{plain(value)} is the place of the row in the table; the number of the trial stands "
            'in the column "trial"'
        )
    row = table[table["trial"] == value]
    if row.empty:
        return f"there is no trial {plain(value)} in the table"
    state = row["state"].iloc[0]
    if state != "complete":
        return f"trial {plain(value)} is {state}; only complete ones count"
    return (
        f"trial {plain(value)} reached {row['accuracy'].iloc[0]:.2f}, and another one "
        f"{best['accuracy']:.2f}"
    )


@exercise("09-free-space", "Beat a grid with half of its trials")
def _free_space(study, *, baseline):
    if not hasattr(study, "best_value"):
        raise Wrong(f"your answer is {kind_of(study)}; hand over what labkit.sweep returned")
    count, share = len(study.trials), study.optuna.user_attrs["identity"]["validation"]
    yield Verdict(count <= 6, f"{count} trials are {'within' if count <= 6 else 'more than'} 6")
    fits = share == 0.25
    wrong = f"judged by {share:.0%} of the pictures; keep validation=validation, a quarter"
    yield Verdict(fits, "judged by a quarter of the pictures" if fits else wrong)
    value = study.best_value
    yield Verdict(
        value > baseline,
        f"validation accuracy {value:.4f} is {'' if value > baseline else 'not '}above "
        f"{baseline:.4f}",
    )
