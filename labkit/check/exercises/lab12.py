"""The exercises of lab 12: gradients together, who is who, parts of a step, a manifest."""

from labkit.check.judging import (
    Verdict,
    Wrong,
    a_function,
    an_array,
    called,
    exercise,
    kind_of,
    plain,
)


@exercise("12-average", "Put the gradients of unequal shares together")
def _average(answer):
    import numpy as np

    a_function(answer)
    for pairs in (
        [([1.0, -2.0], 4), ([3.0, 6.0], 4)],
        [([1.0, 0.0, 2.0], 30), ([5.0, 4.0, -2.0], 10)],
        [([2.0], 1), ([8.0], 2), ([-1.0], 5)],
    ):
        gradients, counts = (np.array(column) for column in zip(*pairs, strict=True))
        given = [
            (gradient.copy(), int(count)) for gradient, count in zip(gradients, counts, strict=True)
        ]
        right = counts @ gradients / counts.sum()
        found = an_array(called(answer, given), "a gradient, an array of numbers,")
        shares = " and ".join(map(str, counts))
        if found.shape != right.shape:
            raise Wrong(
                f"your gradient has the shape {found.shape}, and each of those given {right.shape}"
            )
        fits = bool(np.allclose(found, right))
        if fits:
            text = f"shares of {shares}: {_listed(found)}"
        elif np.allclose(found, gradients.mean(axis=0)):
            text = f"shares of {shares} count the same in yours; each picture is to count the same"
        elif np.allclose(found, counts @ gradients):
            text = "yours is the sum over all pictures; divide it by how many they are"
        elif np.allclose(found, gradients.sum(axis=0)):
            text = "yours is the sum of the gradients; a mean is asked for"
        else:
            text = f"shares of {shares}: it is {_listed(right)}, and yours {_listed(found)}"
        yield Verdict(fits, text)


def _listed(values):
    return "[" + ", ".join(plain(round(float(value), 4)) for value in values) + "]"


@exercise("12-rank", "Tell a pod who it is")
def _rank(answer):
    a_function(answer)
    hosts = [f"train-{index}.train:2222" for index in range(4)]
    for index in (3, 0):
        found = called(answer, {"JOB_COMPLETION_INDEX": str(index), "HOSTNAME": f"train-{index}"})
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Wrong(
                f"what your function returns is {kind_of(found)}; a pair is asked for: rank, hosts"
            )
        rank, addresses = found
        fits = not isinstance(rank, str) and rank == index
        if isinstance(rank, str):
            text = (
                f"the rank is {rank!r}, a text, as all that stands in variables; make it a number"
            )
        else:
            text = f"for pod {index} the rank is {rank}"
        yield Verdict(fits, text)
        yield _addresses(addresses, hosts)


def _addresses(found, hosts):
    if isinstance(found, str) or not hasattr(found, "__iter__"):
        raise Wrong(f"the hosts are {kind_of(found)}; a list of four texts is asked for")
    found = list(found)
    if found == hosts:
        return Verdict(True, f"{len(hosts)} hosts, from {hosts[0]} to {hosts[-1]}")
    if len(found) != len(hosts):
        return Verdict(False, f"there are {len(found)} hosts; every pod needs those of all four")
    wrong = next(one for one, host in zip(found, hosts, strict=True) if one != host)
    if not str(wrong).endswith(":2222"):
        text = f"{wrong!r} does not say at which port; it is 2222"
    elif ".train:" not in str(wrong):
        text = f"{wrong!r} is not known outside of its pod; the name of the Service belongs to it"
    elif sorted(map(str, found)) == hosts:
        text = "the hosts are to be in the order of their ranks, the same in all pods"
    else:
        text = f"{wrong!r} is no pod of this Job; they count from 0"
    return Verdict(False, text)


@exercise("12-parts", "Share out a step")
def _parts(answer):
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong(f"your answer is {kind_of(answer)}; two numbers are asked for: (A's, B's)")
    parts = [part.item() if hasattr(part, "item") else part for part in answer]
    if any(isinstance(part, bool) or not isinstance(part, int | float) for part in parts):
        raise Wrong("write two numbers, without quotation marks")
    a, b = parts
    said = f"{plain(a)} of A and {plain(b)} of B"
    if a + b != 40:
        yield Verdict(False, f"{said} make {plain(a + b)}; a step has 40 pictures")
        return
    yield Verdict(True, f"{said} make a step of 40")
    if (a, b) == (12, 28):
        yield Verdict(True, "both are through after 25 steps, and each picture was shown once")
    elif (a, b) == (28, 12):
        yield Verdict(False, "the other way round: B has more pictures")
    elif min(a, b) <= 0:
        yield Verdict(False, "one of the two has nothing to do")
    else:
        first, steps = min(("A", 300 / a), ("B", 700 / b), key=lambda end: end[1])
        yield Verdict(
            False,
            f"{first} is through after {plain(round(steps, 1))} steps, and the other is not; "
            "in proportion to 300 and 700 both end together",
        )


@exercise("12-job", "Mend a manifest")
def _job(answer):
    if not isinstance(answer, dict):
        raise Wrong(f"your answer is {kind_of(answer)}; hand over the dictionary, mended")
    try:
        spec = answer["spec"]
        pod = spec["template"]["spec"]
        options = _options(pod["containers"][0]["args"])
        parallel, complete = spec["parallelism"], spec["completions"]
    except (KeyError, IndexError, TypeError) as error:
        raise Wrong(
            f"a part of the manifest is gone ({type(error).__name__}: {error}); change what is "
            "wrong, and keep the rest"
        ) from error
    mode = spec.get("completionMode", "NonIndexed")
    text = f"completionMode is {mode}"
    if mode != "Indexed":
        text += ", as it is when nobody says so; then no pod has a number"
    yield Verdict(mode == "Indexed", text)
    workers = options.get("--workers")
    fits = parallel == complete == 4 and workers == "4"
    numbers = f"parallelism {parallel}, completions {complete}, --workers {workers}"
    yield Verdict(fits, numbers if fits else f"{numbers}; four pods are to train together")
    hosts, right = options.get("--hosts"), "train-{index}.train:2222"
    if hosts == right:
        text = f"the workers look for each other at {hosts}"
    elif hosts == "train-{index}:2222":
        text = f"{hosts} is not known outside of its pod; put the Service's name behind it"
    else:
        text = f"--hosts is {hosts}; where do the pods train-0, train-1, … of this Job listen?"
    yield Verdict(hosts == right, text)
    home = pod.get("subdomain")
    if home != "train":
        yield Verdict(False, f"subdomain is {home}; it names the Service that the names come from")


def _options(args) -> dict[str, str]:
    """The options of a command line, written as one word or as two."""
    words = [word for arg in args for word in str(arg).split("=", 1)]
    return {
        name: value
        for name, value in zip(words, words[1:], strict=False)
        if name.startswith("--") and not value.startswith("--")
    }
