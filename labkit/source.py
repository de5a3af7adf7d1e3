"""Show the code behind a helper, so that nothing in a lab is a closed box."""

import inspect
from pathlib import Path

from labkit.errors import LabError


def show_source(obj):
    """Show the Python code of a function, class or module, highlighted.

    Args:
        obj: a function, class, method or module that is written in Python.

    Returns:
        ``IPython.display.Code``, which a notebook shows with colours. Its first line is
        a comment naming the file that the code comes from and the line it starts at;
        the code follows in full.

    Raises:
        LabError: ``obj`` has no Python source: it is a value, or compiled code.

    Example:
        >>> labkit.show_source(labkit.models.cnn)
    """
    from IPython.display import Code

    try:
        lines, start = inspect.getsourcelines(obj)
        file = Path(inspect.getsourcefile(obj))
    except (TypeError, OSError) as error:
        raise LabError(
            f"{obj!r} has no Python source to show: it is a value, compiled code, or was "
            "typed in where Python keeps no copy. Give the function or class itself, for "
            "example show_source(models.cnn) and not show_source(models.cnn(data))."
        ) from error
    module = inspect.getmodule(obj)
    if module is None or module.__name__ == "__main__":
        where = "this notebook" if "ipykernel" in str(file) else file.name
    else:
        # The path inside the package is the same on every machine; the full one is not.
        depth = module.__name__.count(".") + (2 if file.name == "__init__.py" else 1)
        where = "/".join(file.parts[-depth:])
    return Code(f"# {where}, line {max(start, 1)}\n{''.join(lines)}", language="python")
