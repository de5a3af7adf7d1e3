"""A regression table like the workshop's own: var_1 … var_5 and an output."""

import numpy as np

from labkit.samples.sample import Sample

FEATURES = ("var_1", "var_2", "var_3", "var_4", "var_5")
ROWS, TRAIN_ROWS = 1232, 924


def draw(seed: int) -> Sample:
    """Draw 1,232 rows and split them 75/25.

    ``var_1`` and ``var_2`` are whole numbers around 715 that rise and fall
    together; ``var_3``, a whole number around 81, follows their difference;
    ``var_4`` (around 0.326) and ``var_5`` (around 0.259) grow with ``var_1`` and
    are given to three decimals. The output is a linear function of the five plus
    noise that no model can explain, which holds R² near 0.87.
    """
    rng = np.random.default_rng(seed)
    common, own_1, own_2, own_3, own_4, own_5, noise = rng.standard_normal((ROWS, 7)).T
    var_1 = np.round(715 + 57 * common + 72 * own_1)
    var_2 = np.round(715 + 57 * common + 72 * own_2)
    var_3 = np.round(81 + 0.105 * (var_1 - var_2) + 4 * own_3)
    var_4 = np.round(0.326 + 1.5e-4 * (var_1 - 715) + 0.0065 * own_4, 3)
    var_5 = np.round(0.259 + 4.5e-5 * (var_1 - 715) + 0.5 * (var_4 - 0.326) + 0.0065 * own_5, 3)
    x = np.stack([var_1, var_2, var_3, var_4, var_5], axis=1)
    y = np.round(0.188 + x @ [3.4e-4, 5e-5, 2e-4, -0.66, 0.5] + 0.012 * noise, 3)
    return Sample(
        x_train=x[:TRAIN_ROWS],
        y_train=y[:TRAIN_ROWS],
        x_test=x[TRAIN_ROWS:],
        y_test=y[TRAIN_ROWS:],
        class_names=(),
        feature_names=FEATURES,
        target_name="output",
    )
