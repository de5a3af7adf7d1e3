"""The pages that people open: a list of models, and one page for each."""

import asyncio
import base64
import io
import json
import math
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from labkit.data import digits
from labkit.errors import LabError, ServeError
from labkit.serve.measures import tell
from labkit.serve.photo import prepare
from labkit.serve.served import Served
from labkit.serve.shelf import Shelf

_HERE = Path(__file__).parent
_TOP = 5  # classes that an answer names
_PIXELS = 16_000_000  # of a photo, unpacked: 200 MB
_FORM = 4096  # bytes of a request that may stand around the photo in it
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        # A notebook shows pages in a frame, and has another port.
        "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*",
    ]
)


@dataclass
class Field:
    """A column of a table, with what was filled in for it."""

    name: str
    low: float
    middle: float
    high: float
    text: str
    problem: str = ""

    @property
    def is_outside(self) -> bool:
        """Whether the model has seen nothing like it."""
        return not self.problem and not self.low <= float(self.text) <= self.high


def static() -> StaticFiles:
    """Style and scripts."""
    return StaticFiles(directory=_HERE / "static")


def router(shelf: Shelf, *, guarded: bool) -> APIRouter:
    """The pages for the models of a shelf.

    Args:
        shelf: the models.
        guarded: whether programs have to show a token.
    """
    routes = APIRouter()
    reading = asyncio.Lock()

    def page(request, served, answer=None, *, status=200, **values):
        kind = kind_of(served)
        values.setdefault("fields", _fields(served))
        command = _command(served, str(request.base_url), guarded, values["fields"])
        values |= {"what": what(served), "command": command, "guarded": guarded, "answer": answer}
        values["most_bytes"] = shelf.limits.body - _FORM
        return _page(request, f"{kind}.html", status, served=served, **values)

    @routes.get("/")
    async def front(request: Request) -> Response:
        models = [(e, what(e.current) if e.current else "") for e in shelf.entries.values()]
        ready = [entry.current for entry, _ in models if entry.current]
        has_samples = any(one.version.data.get("source") == "sample" for one in ready)
        return _page(request, "front.html", models=models, has_samples=has_samples)

    @routes.get("/models/{name}")
    async def model(name: str, request: Request) -> Response:
        return page(request, shelf.get(name))

    @routes.post("/models/{name}")
    async def ask(name: str, request: Request) -> Response:
        served = shelf.get(name)
        if kind_of(served) == "table":
            return await ask_table(served, request)
        if kind_of(served) == "picture":
            return await ask_picture(served, request)
        raise ServeError(f"The page of {name} takes no form. Open it to see what it takes.", 405)

    async def ask_table(served, request):
        fields = _filled_in(served, await request.form())
        problem, status = _count(sum(bool(field.problem) for field in fields)), 422
        if not problem:
            try:
                answer = await _of_row(served, [float(field.text) for field in fields], request)
                return page(request, served, answer, fields=fields)
            except ServeError as error:
                problem, status = str(error), error.status
        return page(request, served, fields=fields, problem=problem, status=status)

    async def ask_picture(served, request):
        wants_page = is_for_people(request)
        try:
            # One at a time: unpacked, a photo is a hundred times as large as it came.
            async with reading:
                picture, inverted = await asyncio.to_thread(
                    _picture, await _photo(request), served.shape
                )
            shares = await _shares(served, picture, request)
        except ServeError as error:
            if not wants_page:
                raise
            return page(request, served, problem=str(error), status=error.status)
        if not wants_page:
            return JSONResponse({"classes": dict(_ranked(served, shares))})
        answer = {"bars": _ranked(served, shares), "seen": _png(picture), "inverted": inverted}
        return page(request, served, answer)

    @routes.post("/models/{name}/drawing")
    async def drawing(name: str, request: Request) -> Response:
        served = shelf.get(name)
        if kind_of(served) != "digit":
            raise ServeError(f"{name} reads no drawn digits. See /models/{name} for what it takes.")
        try:
            picture = digits.seen(await request.body())
        except LabError as error:
            raise ServeError(str(error)) from error
        # Without ink there is nothing to judge.
        shares = await _shares(served, picture[..., None], request) if picture.any() else []
        seen = picture.ravel().tolist()
        return JSONResponse({"probabilities": [float(share) for share in shares], "seen": seen})

    return routes


def is_for_people(request: Request) -> bool:
    """Whether a browser asks, which shows pages, and not a program."""
    return "text/html" in request.headers.get("accept", "")


def refusal(request: Request, status: int, text: str, headers=None) -> Response:
    """A page that says what went wrong."""
    return _page(request, "refusal.html", status, headers, status=status, text=text)


def kind_of(served: Served) -> str:
    """Which page shows a model: "table", "digit", "picture" or "other"."""
    shape = served.shape
    if _fields(served):
        return "table"
    if shape == (28, 28, 1) and served.version.class_names == [*"0123456789"]:
        return "digit"
    return "picture" if served.takes_pictures else "other"


def what(served: Served) -> str:
    """What a model does, in a sentence."""
    classes = [str(name) for name in served.version.class_names]
    among = f"{len(classes)} classes: {', '.join(classes)}"
    size = " × ".join(map(str, served.shape))
    kind = kind_of(served)
    if kind == "table":
        columns = "one column" if served.shape == (1,) else f"{size} columns"
        return (
            f"Sorts rows of {columns} into {among}."
            if classes
            else f"Predicts a number from {columns}."
        )
    if kind == "digit":
        return "Reads a digit that you draw."
    if kind == "picture":
        return f"Sorts pictures into {among}."
    return f"Takes {size} numbers" + (f", and sorts them into {among}." if classes else ".")


@cache
def _templates():
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["number"] = _number
    return found


def _page(request, template, code=200, headers=None, **values) -> HTMLResponse:
    # Relative, so that pages also work behind a proxy that puts something before the path.
    root = "../" * (request.scope["path"].count("/") - 1) or "./"
    text = _templates().get_template(template).render(root=root, **values)
    return HTMLResponse(text, code, {**(headers or {}), "Content-Security-Policy": _POLICY})


def _number(value) -> str:
    """A number as people read it; what is none, as it is."""
    if not isinstance(value, float | np.floating):
        return f"{value:,}" if type(value) is int else str(value)
    return f"{value:,.0f}" if 1e5 <= abs(value) < 1e15 else f"{value:.5g}"


def _fields(served) -> list[Field]:
    """A field for each column; none unless the version describes all that the model takes."""
    fields = []
    try:
        for column in served.version.features:
            numbers = [float(column[key]) for key in ("low", "middle", "high")]
            fields.append(Field(str(column["name"]), *numbers, f"{numbers[1]:.6g}"))
            if not all(map(math.isfinite, numbers)):
                return []
    except (TypeError, KeyError, ValueError, OverflowError):  # anyone may have written the version
        return []
    return fields if served.shape == (len(fields),) else []


def _filled_in(served, form) -> list[Field]:
    fields = _fields(served)
    for i, field in enumerate(fields):
        given = form.get(f"f{i}", "")
        field.text = given.strip() if isinstance(given, str) else ""
        try:
            value = float(field.text)
        except ValueError:
            field.problem = f"Write a number, such as {field.middle:.6g}."
            continue
        with np.errstate(over="ignore"):
            fits = np.isfinite(np.float64(value).astype(served.dtype))
        if not fits:
            field.problem = f"Write a number that is not so large, such as {field.middle:.6g}."
    return fields


def _count(wrong):
    if not wrong:
        return ""
    return (
        "One field needs another number." if wrong == 1 else f"{wrong} fields need other numbers."
    )


async def _of_row(served, values, request) -> dict:
    if served.is_classifier:
        return {"bars": _ranked(served, await _shares(served, np.array(values), request))}
    examples = served.examples([values])
    tell(request, served, examples)
    said = list((await served.ask(examples)).values())[-1]
    return {"numbers": [_number(value) for value in said.ravel()]}


async def _shares(served, example, request) -> np.ndarray:
    """A probability for each class."""
    examples = served.examples(example[None])
    tell(request, served, examples)
    return (await served.probabilities(examples))[0]


def _ranked(served, shares) -> list[tuple[str, float]]:
    """The classes that are most likely, the likeliest first."""
    best = np.argsort(-shares, kind="stable")[:_TOP]
    return [(str(served.version.class_names[i]), float(shares[i])) for i in best]


async def _photo(request) -> bytes:
    # There are two inputs of that name, one of them for a phone's camera.
    async with request.form(max_files=2) as form:
        for part in form.getlist("picture"):
            if not isinstance(part, str) and part.filename:
                return await part.read()
    raise ServeError("No photo came. Choose one first.")


def _picture(raw, shape) -> tuple[np.ndarray, bool]:
    """A photo as a model takes it, and whether it was inverted.

    Raises:
        ServeError: it cannot be read.
    """
    try:
        return prepare(raw, shape, _PIXELS)
    except ValueError as error:
        raise ServeError(
            f"The file cannot be read as a picture: {error}. Choose another one, or open it in a "
            "program that shows pictures and save it as JPEG or PNG."
        ) from error


def _png(picture) -> str:
    """A picture as an address that holds it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _command(served, base, guarded, fields) -> str:
    """What does the same in a terminal."""
    name = served.version.name
    token = '-H "Authorization: Bearer $LABKIT_TOKEN" ' if guarded else ""
    if kind_of(served) == "picture":
        return f"curl {token}-F picture=@photo.jpg {shlex.quote(f'{base}models/{name}')}"
    to = shlex.quote(f"{base}v1/models/{name}:predict")
    if fields:
        row = [field.middle if field.problem else float(field.text) for field in fields]
        return f"curl {token}-d {shlex.quote(json.dumps({'instances': [row]}))} {to}"
    # An example of zeros, which may be long.
    make = f'import json; print(json.dumps({{"instances": [[0] * {math.prod(served.shape)}]}}))'
    return f"python3 -c {shlex.quote(make)} | curl {token}-d @- {to}"
