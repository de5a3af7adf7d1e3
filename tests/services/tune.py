"""The sweep that the fault tests run: small models, so that many trials fit in a minute."""

import os
import time

import labkit
from labkit import models
from labkit.space import choice, log_uniform

data = labkit.load("mnist", limit=200)
space = {"units": choice((4,), (8,), (16,)), "learning_rate": log_uniform(1e-3, 1e-1)}


def build(data, *, units, seed):
    time.sleep(float(os.environ.get("SLOW", 0)))
    return models.mlp(data, units=units, dropout=0, seed=seed)
