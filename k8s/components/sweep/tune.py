"""What the pods tune: labkit sweep create and labkit sweep work read build, data and space."""

import labkit
from labkit import models
from labkit.space import choice, log_uniform, uniform

data = labkit.load("fashion_mnist")
build = models.cnn
space = {
    "filters": choice((16, 32), (32, 64), (30, 60, 90)),
    "dense": choice(32, 64, 128),
    "dropout": uniform(0, 0.7),
    "learning_rate": log_uniform(1e-4, 1e-2),
}
