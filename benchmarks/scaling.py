"""Two workers against one: pictures a second on the real CIFAR-10, with lab 05's network.

    python benchmarks/scaling.py [--rounds N] [--batch-size N]

Each worker has one core and one thread, and the same number of pictures of a step: two take
steps twice as large. What counts are the training steps of an epoch, without the first one, in
which TensorFlow makes its functions. Both sides take turns, each with an epoch of its own, and
the medians count.

Needs the real CIFAR-10 (``LABKIT_DATA``), two cores, and Linux, where a process can be kept to
some of the cores.
"""

import argparse
import os
import statistics
import sys

import labkit
from labkit import models

EXAMPLES, EPOCHS = 10_000, 4


def speeds(data, workers: int, batch_size: int) -> list[float]:
    """Pictures a second of all workers together, for each epoch but the first."""
    model = models.cnn(data, filters=(32, 64, 64), dropout=0)
    history = labkit.fit_parallel(
        model,
        data,
        epochs=EPOCHS,
        workers=workers,
        batch_size=workers * batch_size,
        validation=0,
        verbose=False,
    )
    return [*history.speeds[1:]]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="the medians count")
    parser.add_argument("--batch-size", type=int, default=128, help="of each worker")
    options = parser.parse_args()
    os.environ["LABKIT_HEADLESS"] = "1"
    data = labkit.load("cifar10", limit=EXAMPLES)
    if data.source.kind == "sample":
        sys.exit("This benchmark needs the real cifar10: set LABKIT_DATA to its folder.")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("This benchmark needs two cores.")
    found = {1: [], 2: []}
    for turn in range(options.rounds):
        for workers in found:
            os.sched_setaffinity(0, cores[:workers])  # the workers inherit it
            found[workers] += (seen := speeds(data, workers, options.batch_size))
            shown = statistics.median(seen)
            print(f"round {turn + 1}  {workers} workers  {shown:6.0f} pictures/s", flush=True)
    one, two = (statistics.median(seen) for seen in found.values())
    print(
        f"\nReal CIFAR-10, {EXAMPLES} pictures, {options.batch_size} of each worker in a step, "
        f"medians of {len(found[1])} epochs\n"
        f"one worker   {one:6.0f} pictures/s\n"
        f"two workers  {two:6.0f} pictures/s\n"
        f"Two workers train {two / one:.2f} times the pictures of one"
    )


if __name__ == "__main__":
    main()
