# %% exercise-c2-output: right
net_input = 2 * 0.5 + -1 * 1 + 0.5 * -2 + 0.3
answer = (net_input, max(0, net_input))

# %% exercise-c2-output: wrong
net_input = 2 * 0.5 + -1 * 1 + 0.5 * -2 + 0.3
answer = (net_input, net_input)  # no ReLU

# %% exercise-c2-nand: right
answer = (-1, -1, 1.5)

# %% exercise-c2-nand: wrong
answer = (-1, -1, 1)  # a single 1 gives a net input of 0, which is not above 0


# %% exercise-c2-gradient: right
def answer(inputs, weights, bias, target):
    error = sigmoid(inputs @ weights + bias) - target
    return error * inputs, error


# %% exercise-c2-gradient: wrong
def answer(inputs, weights, bias, target):
    error = target - sigmoid(inputs @ weights + bias)
    return error * inputs, error


# %% exercise-c2-rate: right
answer = 0.4

# %% exercise-c2-rate: wrong
answer = 0.6  # swings from side to side
