"""The exercises of lab 01."""

import math

from labkit.check.judging import Verdict, Wrong, a_number, exercise

SPECIMEN = (600, 588, 90, 0.358, 0.333)


@exercise("01-predict", "Predict the output for one new row")
def _predict(answer, *, model):
    value = a_number(answer)
    names = getattr(model, "feature_names_in_", None)
    right = a_number(model.predict(_rows([SPECIMEN], names)))
    if math.isclose(value, right, rel_tol=1e-3):
        yield Verdict(True, f"{value:.4g} is what the model predicts")
    elif math.isclose(value, right, rel_tol=0.1):
        yield Verdict(
            False,
            f"{value:.4g} is close, but rounded too far or not quite it; copy at least four digits",
        )
    else:
        yield Verdict(
            False,
            f"{value:.4g} is not what the model predicts; multiply each number by its column's "
            "coefficient, add the products, then add the intercept",
        )


@exercise("01-strongest", "Find the column that moves the prediction most")
def _strongest(answer, *, data, model):
    import numpy as np

    names = data.feature_names
    if answer not in names:
        raise Wrong(f"{answer!r} is not a column; the columns are {', '.join(names)}")
    coefficients = np.ravel(model.coef_)
    if len(coefficients) != len(names):
        raise Wrong(
            f"the model has {len(coefficients)} coefficients and the table {len(names)} columns; "
            "fit it on all of them"
        )
    spread = data.x_train.std(axis=0)
    effects = np.abs(coefficients * spread)
    mine = names.index(answer)
    if mine == effects.argmax():
        yield Verdict(
            True,
            f"{answer}: {coefficients[mine]:.3g} × {spread[mine]:.3g} = "
            f"{coefficients[mine] * spread[mine]:.3g}, the largest effect",
        )
    elif mine == np.abs(coefficients).argmax():
        yield Verdict(
            False,
            f"{answer} has the largest coefficient, but its values hardly vary (standard deviation "
            f"{spread[mine]:.3g}); multiply each coefficient by its column's standard deviation",
        )
    else:
        yield Verdict(
            False,
            f"{answer} moves the prediction by {effects[mine]:.3g} for one standard deviation; "
            "another column moves it more",
        )


@exercise("01-features", "Predict nearly as well from three columns")
def _features(model, columns, *, full, x_test, y_test):
    import numpy as np

    if hasattr(columns, "predict"):
        raise Wrong("hand over the model first, then the list of its columns")
    if isinstance(columns, str):
        raise Wrong('give the columns as a list of names, such as ["var_1", "var_2", "var_3"]')
    columns, names = list(columns), list(x_test.columns)
    unknown = [repr(column) for column in columns if column not in names]
    if unknown:
        raise Wrong(f"no such column: {', '.join(unknown)}; the columns are {', '.join(names)}")
    if len(set(columns)) != 3:
        raise Wrong(f"you name {len(set(columns))} different columns; the exercise asks for three")
    fitted = getattr(model, "feature_names_in_", None)
    if fitted is not None and set(fitted) != set(columns):
        raise Wrong(
            f"the model was fitted on {', '.join(fitted)} and your list says {', '.join(columns)}"
        )
    if getattr(model, "n_features_in_", 3) != 3:
        raise Wrong(f"the model was fitted on {model.n_features_in_} columns; fit it on your three")
    columns = columns if fitted is None else list(fitted)
    chosen = x_test[columns].to_numpy()
    mine = _r_squared(y_test, np.ravel(model.predict(_rows(chosen, fitted))))
    known = getattr(full, "feature_names_in_", None)
    full = full.score(_rows(x_test.to_numpy(), known), y_test)
    yield Verdict(
        mine >= 0.9 * full,
        f"R² on the test data is {mine:.3f} with three columns and {full:.3f} with all "
        f"{len(names)}: {mine / full:.0%} of it, where at least 90% is asked for",
    )


def _rows(values, names):
    """A table with the column names that a model was fitted with, so that it does not warn."""
    import numpy as np

    if names is None:
        return np.asarray(values, dtype=float)
    import pandas as pd

    return pd.DataFrame(values, columns=list(names))


def _r_squared(y, predicted) -> float:
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
