"""The exercises, a module a lab; importing this one registers them all."""

from labkit.check.exercises import (  # noqa: F401
    lab00,
    lab01,
    lab02,
    lab03,
    lab04,
    lab05,
    lab06,
    lab07,
    lab08,
    lab09,
    lab10,
    lab11,
    lab12,
    labc1,
    labc2,
    labc3,
    labc4,
)
