"""The application: protocols, pages and metrics around a shelf of models."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import APIRouter, FastAPI, Path, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from labkit.errors import ServeError
from labkit.serve import pages, protocol, schemas
from labkit.serve.guard import Guard, headers_of
from labkit.serve.measures import Measures, tell
from labkit.serve.served import Served
from labkit.serve.shelf import Shelf

LOCAL = ("localhost", "127.0.0.1", "[::1]")
_LARGE = 1 << 16  # bytes of JSON from which on reading it would keep others waiting


def make(
    shelf: Shelf,
    measures: Measures,
    *,
    token: str | None = None,
    hosts: tuple[str, ...] = LOCAL,
    refresh: float = 2.0,
) -> Guard:
    """The ASGI application.

    Args:
        shelf: the models.
        measures: what Prometheus is told.
        token: what clients have to show; ``None``: nothing, for a server on loopback.
        hosts: the names that it answers to without a token; empty: to any.
        refresh: seconds between two looks for new versions.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_):
        watching = asyncio.create_task(shelf.watch(refresh))
        yield
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        shelf.close()

    app: FastAPI = FastAPIOffline(
        redoc_url=None,
        title="labkit",
        version=schemas.version(),
        description="Models of AI 101, served: KServe's V1 and the Open Inference Protocol (V2).",
        lifespan=lifespan,
        responses=schemas.refusals(400, 401, 403, 404, 408, 413, 422, 429, 503),
    )
    app.add_exception_handler(ServeError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.include_router(_v1(shelf), tags=["V1"])
    app.include_router(_v2(shelf), tags=["V2"])
    app.include_router(_others(shelf, measures), tags=["other"])
    app.include_router(pages.router(shelf, guarded=token is not None), include_in_schema=False)
    app.mount("/static", pages.static(), name="static")
    return Guard(app, token=token, hosts=hosts, limits=shelf.limits, measures=measures)


class _Direct(APIRoute):
    """A route that hands the request on.

    The endpoint reads the body itself and makes the answer itself. What FastAPI does around that
    takes longer than a small model does.
    """

    def get_route_handler(self):
        async def handle(request):
            return await self.endpoint(request=request, **request.path_params)

        return handle


def _post(router, path, endpoint, **words):
    options = {"methods": ["POST"], "route_class_override": _Direct}
    router.add_api_route(path, endpoint, **options, **words)


def _v1(shelf) -> APIRouter:
    router, Name = APIRouter(), _name(shelf)

    @router.get("/v1/models", responses=schemas.V1_LIST)
    async def list_models() -> dict:
        """The names of the models."""
        return {"models": list(shelf.entries)}

    async def predict(name: Name, request: Request) -> Response:
        """What a model says of examples."""
        served = shelf.get(name)
        values = await _read(protocol.instances, await request.body())
        outputs = await _ask(served, values, request)
        return _json({"predictions": list(outputs.values())[-1].tolist()})

    words = {"responses": schemas.V1_ANSWER, "openapi_extra": schemas.v1_request(_shown(shelf))}
    _post(router, "/v1/models/{name}:predict", predict, **words)

    # After the other, whose path has this one's form: the first one says which methods there are.
    @router.get("/v1/models/{name}", responses=schemas.V1_READY)
    async def model_status(name: Name) -> dict:
        """Whether a model is ready."""
        return {"name": name, "ready": shelf.entry(name).current is not None}

    return router


def _v2(shelf) -> APIRouter:
    router, Name = APIRouter(prefix="/v2"), _name(shelf)

    @router.get("", responses=schemas.V2_SERVER)
    async def server_metadata() -> dict:
        """What this server is."""
        return {
            "name": "labkit",
            "version": schemas.version(),
            "extensions": ["binary_tensor_data"],
        }

    @router.get("/health/live", responses=schemas.V2_LIVE)
    async def live() -> dict:
        """That the server is alive."""
        return {"live": True}

    @router.get("/health/ready", responses=schemas.V2_SERVER_READY)
    async def ready() -> dict:
        """Whether one model at least can be asked: one that is broken must not stop the others."""
        if not any(entry.current for entry in shelf.entries.values()):
            raise ServeError("No model is ready.", 503)
        return {"ready": True}

    @router.get("/models/{name}/versions/{version}", responses=schemas.V2_MODEL)
    async def version_metadata(name: Name, version: str) -> dict:
        """What a version takes and gives."""
        served = shelf.get(name, version)
        return {
            "name": name,
            "versions": [str(n) for n in sorted(shelf.entry(name).versions)],
            "platform": "onnxruntime_onnx",
            "inputs": served.inputs,
            "outputs": served.outputs,
        }

    @router.get("/models/{name}", responses=schemas.V2_MODEL)
    async def metadata(name: Name) -> dict:
        """What a model takes and gives."""
        return await version_metadata(name, None)

    @router.get("/models/{name}/versions/{version}/ready", responses=schemas.V2_READY)
    async def version_ready(name: Name, version: str) -> dict:
        """Whether a version can be asked."""
        shelf.get(name, version)
        return {"name": name, "ready": True}

    @router.get("/models/{name}/ready", responses=schemas.V2_READY)
    async def model_ready(name: Name) -> dict:
        """Whether a model can be asked."""
        return await version_ready(name, None)

    async def version_infer(name: Name, version: str, request: Request) -> Response:
        """What a version says of a tensor, as JSON or, with the binary extension, as bytes."""
        served = shelf.get(name, version)
        length = request.headers.get("inference-header-content-length")
        ask = await _read(protocol.read_v2, await request.body(), length, served.input_name)
        outputs = await _ask(served, ask.array, request)
        body, head = protocol.write_v2(ask, outputs, name, served.version.number)
        if head is None:
            return Response(body, media_type="application/json")
        headers = {"Inference-Header-Content-Length": str(head)}
        return Response(body, media_type="application/octet-stream", headers=headers)

    async def infer(name: Name, request: Request) -> Response:
        """What a model says of a tensor, as JSON or, with the binary extension, as bytes."""
        return await version_infer(name, None, request)

    words = {"responses": schemas.V2_ANSWER, "openapi_extra": schemas.v2_request(_shown(shelf))}
    _post(router, "/models/{name}/infer", infer, **words)
    _post(router, "/models/{name}/versions/{version}/infer", version_infer, **words)
    return router


def _others(shelf, measures) -> APIRouter:
    router = APIRouter()

    async def predict_digit(request: Request) -> Response:
        """The class of one example, as a list of numbers: what the page of another workshop sends.

        The first model answers that takes so many numbers and knows classes.
        """
        values = (await _read(protocol.parsed, await request.body())).get("data")
        if not isinstance(values, list):
            raise ServeError('The request has no list "data". Send {"data": [number, ...]}.')
        ready = [entry.current for entry in shelf.entries.values() if entry.current]
        fitting = [s for s in ready if s.is_classifier and np.prod(s.shape) == len(values)]
        if not fitting:
            raise ServeError(f"No classifier here takes {len(values)} numbers.")
        examples = fitting[0].examples([values])
        tell(request, fitting[0], examples)
        said = await fitting[0].probabilities(examples)
        return _json({"prediction": int(said[0].argmax())})

    digit = _shown(shelf, classifier=True)
    words = {"responses": schemas.DIGIT_ANSWER, "openapi_extra": schemas.digit_request(digit)}
    _post(router, "/predict", predict_digit, **words)

    @router.get("/metrics", responses=schemas.METRICS, response_class=Response)
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _name(shelf):
    """A model's name in an address; the document has those that there are."""
    return Annotated[str, Path(json_schema_extra={"enum": list(shelf.entries)})]


def _shown(shelf, *, classifier=False):
    """What the first model takes, or the first classifier: the document's examples are for that."""
    ready = [entry.current for entry in shelf.entries.values() if entry.current]
    for served in ready:
        if served.is_classifier or not classifier:
            return served.inputs[0]
    return {"name": "input", "datatype": "FP32", "shape": [-1, 28, 28, 1]}


async def _read(reader, body, *rest):
    """What a reader makes of a body; a large one is read in a thread, and others go on."""
    if len(body) < _LARGE:
        return reader(body, *rest)
    return await asyncio.to_thread(reader, body, *rest)


async def _ask(served: Served, values, request):
    examples = served.examples(values)
    tell(request, served, examples)
    return await served.ask(examples)


def _json(content) -> Response:
    return Response(to_json(content), media_type="application/json")


async def _refused(request, error: ServeError):
    return _error(request, error.status, str(error), headers_of(error))


async def _http(request, error: HTTPException):
    text = error.detail
    if error.status_code == 404:
        text = f"There is nothing at {request.url.path}. See / for the models, /docs for the rest."
    elif text == HTTPStatus(error.status_code).phrase:
        text = f"{text}. See /docs for what there is."
    return _error(request, error.status_code, text, error.headers)


def _error(request, status, text, headers):
    if pages.is_for_people(request):
        return pages.refusal(request, status, text, headers)
    return JSONResponse({"error": text}, status, headers)
