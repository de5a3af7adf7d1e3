"""Pictures a second: labkit's pipeline against Keras's ImageDataGenerator, in one run.

    python benchmarks/pipeline.py [--epochs N] [--rounds N]

Both decode the real cats and dogs (``LABKIT_DATA``) to 64 × 64, change them at random with
shear, zoom and flip as the classic program does, and hand out batches of 32. The
generator decodes every file in every epoch; labkit decodes once, which is counted. A
third row has the same changes as a chain of Keras layers in labkit's pipeline.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import labkit
from labkit import keras
from labkit.data import Augment, batches

SIDE, BATCH = 64, 32


def generator(folder: Path, epochs: int) -> int:
    """The classic program; how many pictures came out."""
    import tensorflow as tf

    stream = tf.keras.preprocessing.image.ImageDataGenerator(
        rescale=1 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True
    ).flow_from_directory(folder, (SIDE, SIDE), batch_size=BATCH, class_mode="binary")
    return sum(len(next(stream)[0]) for _ in range(epochs * len(stream)))


def pipeline(folder: Path, epochs: int, augment) -> int:
    """Labkit's way; how many pictures came out."""
    data = labkit.data.from_folder(folder, image_size=SIDE)
    steps = epochs * (len(data.x_train) // BATCH)
    stream = batches(data.x_train, data.y_train, batch_size=BATCH, augment=augment)
    return sum(len(pictures) for pictures, _ in stream.take(steps))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="how often each sees all pictures")
    parser.add_argument("--rounds", type=int, default=3, help="the medians count")
    options = parser.parse_args()
    data = labkit.load("cats_and_dogs")
    if data.is_sample:
        sys.exit("This benchmark needs the real cats and dogs: set LABKIT_DATA.")
    folder = Path(data.source.where)
    layers = keras.layers
    chain = keras.Sequential(
        [layers.RandomShear(0.2, 0.2), layers.RandomZoom(0.2), layers.RandomFlip("horizontal")]
    )
    ways = {
        "ImageDataGenerator": lambda: generator(folder / "train", options.epochs),
        "labkit, Augment": lambda: pipeline(
            folder, options.epochs, Augment(shear=0.2, zoom=0.2, flip="horizontal")
        ),
        "labkit, Keras layers": lambda: pipeline(folder, options.epochs, chain),
    }
    rates = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, run in ways.items():
            started = time.perf_counter()
            rates[name].append(run() / (time.perf_counter() - started))
    first = rates["ImageDataGenerator"]
    print(f"\nReal cats and dogs, {options.epochs} epochs, medians of {options.rounds} rounds")
    print(f"{'pipeline':22} {'pictures/s':>10} {'ratio':>6}")
    for name, measured in rates.items():
        ratio = statistics.median(m / f for m, f in zip(measured, first, strict=True))
        print(f"{name:22} {statistics.median(measured):10.0f} {ratio:6.1f}")


if __name__ == "__main__":
    main()
