"""The exercises of lab NN."""

from labkit.check.judging import Verdict, a_function, called, exercise, one_number


@exercise("NN-steps", "Count the steps of an epoch")
def _steps(answer):
    yield one_number(
        answer,
        32,
        "32 steps: 31 full batches of 32 pictures, and the last 8",
        {31: "leaves out the last 8 pictures, which are a batch too", 31.25: "is not a whole step"},
        "is not it; divide 1,000 pictures into batches of 32, and count the one that is not full",
    )


@exercise("NN-share", "Turn numbers into shares of a whole")
def _share(answer):
    a_function(answer)
    for numbers, shares in (([1, 3], [0.25, 0.75]), ([2, 2, 4], [0.25, 0.25, 0.5])):
        found = list(called(answer, list(numbers)))
        yield Verdict(found == shares, f"for {numbers} your function returns {found}")
