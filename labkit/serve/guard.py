"""What every request passes first: who asks, how much, how long; and what is written down of it."""

import asyncio
import hmac
import logging
import re
import time
import uuid
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode

from starlette.responses import JSONResponse, RedirectResponse

from labkit.errors import ServeError
from labkit.serve.limits import Limits
from labkit.serve.measures import Measures

COOKIE = "labkit_token"
_OPEN = ("/v2/health/live", "/v2/health/ready")
"""A kubelet asks these, and has no token."""
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_DISCARDED = 64 << 20  # bytes of a body that is too large, read so that its sender hears the answer
_log = logging.getLogger("labkit.serve")


class Guard:
    """ASGI middleware around the application.

    Args:
        app: the application.
        token: what a client has to show; ``None``: nothing.
        hosts: names of this machine. Who shows no token has to have called the server by one of
            them, so that no page of the web can have made a name of its own point here (DNS
            rebinding). Empty: any name, for a server that something else protects.
        limits: of bodies.
        measures: what Prometheus is told.
    """

    def __init__(
        self, app, *, token: str | None, hosts: tuple[str, ...], limits: Limits, measures: Measures
    ):
        self._app, self._token, self._hosts = app, token, hosts
        self._limits, self._measures = limits, measures
        self._held = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        told = scope.setdefault("state", {})["told"] = {}
        status = 0

        async def sending(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        body = []
        try:
            onward = self._welcome(scope, headers)
            if onward:
                return await onward(scope, receive, sending)
            await self._read(body, receive, headers)
            await self._app(scope, _once(b"".join(body), receive), sending)
        except ServeError as error:
            await _refusal(error)(scope, receive, sending)
        except Exception:
            _log.exception("failed", extra={"request_id": request_id})
            if status:
                raise
            text = f"The server made a mistake. Its log says which, under {request_id}."
            await _refusal(ServeError(text, 500))(scope, receive, sending)
        finally:
            self._drop(body)
            self._note(scope, status, time.perf_counter() - began, request_id, told)

    def _welcome(self, scope, headers):
        """What sends a browser on, with a cookie, when its address held the token; or None.

        Raises:
            ServeError: whoever asks may not.
        """
        if scope["path"] in _OPEN:
            return None
        if self._token is None:
            host = headers.get("host", "").rpartition("@")[2]
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            if self._hosts and name.lower() not in self._hosts:
                raise ServeError(
                    f"This server does not answer to the name {name!r}. Call it by one of: "
                    f"{', '.join(self._hosts)}.",
                    403,
                )
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = dict(query).get("token", "")
        if shown and self._is_token(shown) and scope["method"] == "GET":
            rest = urlencode([(key, value) for key, value in query if key != "token"])
            path = quote(scope["path"].lstrip("/"))  # "//host" would lead elsewhere
            onward = RedirectResponse(f"/{path}{'?' if rest else ''}{rest}", 303)
            onward.set_cookie(COOKIE, self._token, httponly=True, samesite="Strict")
            return onward
        bearer = headers.get("authorization", "").partition(" ")
        known = bearer[0].lower() == "bearer" and self._is_token(bearer[2].strip())
        if not (known or self._is_token(_cookie(headers))):
            raise ServeError(
                "This server asks for a token. Send the header 'Authorization: Bearer TOKEN', or "
                "open the address that the server printed when it started.",
                401,
            )
        return None

    def _is_token(self, text):
        return hmac.compare_digest(text.encode(), self._token.encode())

    async def _read(self, parts, receive, headers):
        """A body into ``parts``, which count as held until they are dropped.

        Raises:
            ServeError: it is too large (413), too slow (408), or one too many (429).
        """
        length = headers.get("content-length", "0")
        if length == "0" and "transfer-encoding" not in headers:
            return
        most = self._limits.body if int(length) <= self._limits.body else 0
        if "expect" in headers and not most:
            raise self._too_large()  # it waits for our word, and has sent nothing
        size, more = 0, True
        try:
            async with asyncio.timeout(self._limits.seconds):
                while more and size < _DISCARDED:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ServeError("The client went away.", 408)
                    part, more = message.get("body", b""), message.get("more_body")
                    size += len(part)
                    if size > most:
                        self._drop(parts)
                        continue
                    parts.append(part)
                    self._held += len(part)
                    if self._held > self._limits.bodies:
                        raise ServeError("The server has much to do. Try again in a second.", 429)
        except TimeoutError as error:
            raise ServeError(
                f"The body did not come within {self._limits.seconds:g} seconds. Send it again.",
                408,
            ) from error
        if size > most:
            raise self._too_large()

    def _drop(self, parts):
        self._held -= sum(map(len, parts))
        parts.clear()

    def _too_large(self):
        most = self._limits.body / (1 << 20)
        return ServeError(f"The request is larger than {most:g} MiB. Send less at once.", 413)

    def _note(self, scope, status, seconds, request_id, told):
        route = scope.get("route")
        # The template: there must not be a series for each URL that somebody tries.
        path = getattr(route, "path", "other")
        self._measures.requests.labels(path, _method(scope), str(status)).inc()
        self._measures.seconds.labels(path).observe(seconds)
        if "model" in told:
            count = told.get("examples", 0)
            self._measures.examples.labels(told["model"]).observe(count)
            self._measures.predictions.labels(told["model"], told["version"]).inc(count)
        if scope["path"] not in _OPEN:
            _log.info(
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "seconds": round(seconds, 6),
                    **told,
                },
            )


def headers_of(error: ServeError) -> dict[str, str]:
    """What goes with an error besides its sentence."""
    if error.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": "1"} if error.status in (429, 503) else {}


def _refusal(error):
    """As JSON, as both protocols have it."""
    return JSONResponse({"error": str(error)}, error.status, headers_of(error))


def _once(body, receive):
    """A body that was read already, for whoever asks next."""
    given = False

    async def again():
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _cookie(headers):
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _method(scope):
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
