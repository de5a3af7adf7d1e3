"""The exercises of lab 00."""

from labkit.check.judging import Verdict, Wrong, a_number, exercise, one_number, plain


@exercise("00-first-cell", "Add the whole numbers from 1 to 10")
def _first_cell(answer):
    yield one_number(
        answer,
        55,
        "55 is the sum of the whole numbers from 1 to 10",
        {
            45: "is the sum of 1 to 9; range(1, 10) stops before 10",
            54: "is the sum of 2 to 10; the 1 is missing",
            10: "is how many numbers there are; add them up",
            100: "is ten times ten; add the numbers 1, 2, 3 and so on",
            110: "counts every number twice",
            3628800: "is the product of the numbers; their sum is asked for",
        },
        "is not the sum; range(1, 11) gives the numbers 1 to 10, and sum(...) adds them up",
    )


@exercise("00-shape", "Read the shape of an array")
def _shape(answer, *, of):
    shape = tuple(of.shape)
    if hasattr(answer, "shape") and answer.shape:
        raise Wrong("this is an array; its shape is what .shape after its name gives")
    if not isinstance(answer, tuple | list):
        number = a_number(answer)
        if number == of.size:
            raise Wrong(f"{plain(number)} is how many values the array holds; .shape is asked for")
        if number == shape[0]:
            raise Wrong(f"{plain(number)} is the length of the first axis; .shape has one for each")
        raise Wrong("the exercise asks for a tuple of numbers in round brackets, such as (3, 4)")
    answer = tuple(answer)
    if answer == shape:
        yield Verdict(True, f"{shape} is the shape: {_axes(len(shape))}")
    elif len(answer) != len(shape):
        yield Verdict(False, f"your tuple has {len(answer)} of the array's {_axes(len(shape))}")
    elif sorted(map(str, answer)) == sorted(map(str, shape)):
        yield Verdict(False, f"{answer} has the right numbers in another order")
    else:
        yield Verdict(False, f"{answer} is not the shape; .shape after the array's name gives it")


def _axes(n):
    return f"{n} axis" if n == 1 else f"{n} axes"
