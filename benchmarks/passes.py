"""Two trainings at once, on two cores: arrays handed to Keras, and labkit's single_pass.

    python benchmarks/passes.py [--rounds N]

Each process trains the same dense network on 10,000 pictures of the real Fashion-MNIST
(``LABKIT_DATA``) with one thread, as the workers of a sweep do. What is compared are the seconds
of nine epochs, without the first, in which TensorFlow prepares the step.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import labkit
from labkit import machine, models
from labkit.data.pipeline import single_pass

WAYS = ("arrays", "single_pass")
BATCH = 256


def train(way: str) -> float:
    """The seconds of the epochs after the first."""
    data = labkit.load("fashion_mnist", limit=10_000)
    if data.source.kind == "sample":
        sys.exit("This benchmark needs the real fashion_mnist: set LABKIT_DATA to its folder.")
    model = models.mlp(data, units=(256, 256))
    (x, y), held_back = labkit.training.split(data, validation=0.2, seed=0)
    ends = []
    note = labkit.keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.time()))
    options = {"epochs": 9, "verbose": 0, "callbacks": [note]}
    if way == "arrays":
        options |= {"batch_size": BATCH, "validation_batch_size": 100}
        model.fit(x, y, validation_data=held_back, **options)
    else:
        judge = single_pass(*held_back, batch_size=100, shuffle=False)
        shown = single_pass(x, y, batch_size=BATCH, shuffle=True)
        model.fit(shown, shuffle=False, validation_data=judge, **options)
    return ends[-1] - ends[0]


def two_at_once(way: str) -> float:
    """The mean seconds of two processes."""
    command = [sys.executable, __file__, "--way", way]
    options = {"stdout": subprocess.PIPE, "text": True}
    options["env"] = os.environ | dict.fromkeys(machine.THREAD_VARIABLES, "1")
    pair = [subprocess.Popen(command, **options) for _ in range(2)]
    return statistics.mean(float(one.communicate()[0].split()[-1]) for one in pair)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="the median counts")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(train(options.way))
        return
    ratios = []
    for _ in range(options.rounds):
        arrays, passes = map(two_at_once, WAYS)
        ratios.append(passes / arrays)
        print(f"arrays {arrays:.2f} s, single_pass {passes:.2f} s", flush=True)
    print(f"\nsingle_pass takes {statistics.median(ratios):.2f} of the time of arrays")


if __name__ == "__main__":
    main()
