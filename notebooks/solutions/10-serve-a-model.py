# %% exercise-10-ask: right
def answer(url, picture):
    question = {"instances": picture[None].tolist()}
    reply = requests.post(f"{url}v1/models/mnist-cnn:predict", json=question, timeout=30)
    return int(np.argmax(reply.json()["predictions"][0]))


# %% exercise-10-ask: wrong
def answer(url, picture):
    question = {"instances": picture.tolist()}  # 28 rows, not one picture
    reply = requests.post(f"{url}v1/models/mnist-cnn:predict", json=question, timeout=30)
    return int(np.argmax(reply.json()["predictions"][0]))


# %% exercise-10-tensor: right
def answer(pictures):
    tensor = {"name": "input", "shape": list(pictures.shape), "datatype": "UINT8"}
    return {"inputs": [tensor | {"data": pictures.ravel().tolist()}]}


# %% exercise-10-tensor: wrong
def answer(pictures):
    tensor = {"name": "pictures", "shape": list(pictures.shape), "datatype": "UINT8"}
    return {"inputs": [tensor | {"data": pictures.ravel().tolist()}]}


# %% exercise-10-metrics: right
def answer(text):
    lines = [line for line in text.splitlines() if ":predict" in line]
    sums = [line for line in lines if line.startswith("labkit_request_seconds_sum")]
    counts = [line for line in lines if line.startswith("labkit_request_seconds_count")]
    if not counts:
        return 0
    return float(sums[0].split()[-1]) / float(counts[0].split()[-1])


# %% exercise-10-metrics: wrong
def answer(text):
    sums = [line for line in text.splitlines() if line.startswith("labkit_request_seconds_sum")]
    return float(sums[-1].split()[-1])  # not divided, and of any route


# %% exercise-10-free-space: right
clothes = labkit.load("fashion_mnist", limit=200)
answer = labkit.serve(models.softmax_regression(clothes), data=clothes, name="clothes")

# %% exercise-10-free-space: wrong
answer = serving  # it has stopped
