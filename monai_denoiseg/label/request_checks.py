"""The layer before MONAI Label's own addresses: a request is read whole and checked, then passed on as it came."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Awaitable, Callable
from typing import IO, Any
from urllib.parse import parse_qsl

from monai_denoiseg.label.addresses import RefusedError, check_path, check_query
from monai_denoiseg.label.api import HTTPException
from monai_denoiseg.label.bodies import TASKS, CheckModel, CheckTask, check_form, check_options, check_task, read_json, truthy

logger = logging.getLogger(__name__)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST = 4 * 2**30
"""Bytes of a body with files."""

LARGEST_TEXT = 8 * 2**20
"""Bytes of a body without."""

IN_MEMORY = 8 * 2**20
DONE = "monai_denoiseg.checked"


class RequestChecks:
    """ASGI middleware that answers with 4xx what must not, or cannot, be done.

    Args:
        app: the application behind it.
        study: tells the folder of the images.
        check: checks a task before it is submitted, see :meth:`~monai_denoiseg.label.app.DenoiSegApp.check_task`.
        check_model: says what is wrong with a network's file for a model.
        models: tells the names of the models.
        largest: bytes of a body.
    """

    def __init__(
        self,
        app: Any,
        study: Callable[[], str],
        check: CheckTask,
        check_model: CheckModel = lambda model, path: "",
        models: Callable[[], list[str]] = list,
        largest: int = LARGEST,
    ) -> None:
        self.app, self.study, self.largest = app, study, largest
        self.check, self.check_model, self.models = check, check_model, models

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http" or scope.get(DONE):
            await self.app(scope, receive, send)
            return
        scope[DONE] = True
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as body:
            try:
                await self._check(scope, receive, body)
            except RefusedError as error:
                await refused(send, scope, error.status, error.detail)
            except HTTPException as error:
                await refused(send, scope, error.status_code, str(error.detail))
            else:
                await self.app(scope, replay(body, receive), send)

    async def _check(self, scope: Message, receive: Receive, body: IO[bytes]) -> None:
        path = scope["path"]
        check_path(path)
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        check_query(path, query, self.study())
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return
        kind = header(scope, b"content-type").partition(";")[0].strip().lower()
        form = kind in ("multipart/form-data", "application/x-www-form-urlencoded")
        await read_body(scope, receive, body, self.largest if form else LARGEST_TEXT)
        if form:
            await self._check_form(scope, receive, body, truthy([value for key, value in query if key == "uncompress"]))
        else:
            self._check_text(scope, body.read())
        body.seek(0)

    def _check_text(self, scope: Message, data: bytes) -> None:
        path = scope["path"]
        options = read_json(data, "the body") if data else None
        check_options(path, options, self.study())
        if scope["method"] == "POST" and path.startswith(tuple(TASKS)):
            check_task(path, options, self.check, self.models())

    async def _check_form(self, scope: Message, receive: Receive, body: IO[bytes], uncompress: bool) -> None:
        from starlette.requests import Request

        # Without the application in its scope a form that cannot be read raises its own error.
        plain = {key: value for key, value in scope.items() if key in ("type", "headers", "method", "path", "query_string")}
        try:
            form = await Request(plain, replay(body, receive)).form()
        except Exception as error:
            raise RefusedError(400, f"the form cannot be read: {error}") from error
        try:
            check_form(scope["path"], form.multi_items(), uncompress, self.study(), self.largest, self.check_model)
        finally:
            await form.close()


async def read_body(scope: Message, receive: Receive, body: IO[bytes], largest: int) -> None:
    """Read a body.

    Args:
        scope: of the request.
        receive: gives its parts.
        body: gets it; it is left at its beginning.
        largest: bytes it may have.

    Raises:
        RefusedError: when it is larger, or the client is gone.
    """
    length = header(scope, b"content-length")
    size = int(length) if length.isdigit() else 0
    while True:
        if size > largest:
            raise RefusedError(413, f"the request has more than {largest:,} bytes")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the client went away")
        body.write(message.get("body", b""))
        size = max(size, body.tell())
        if not message.get("more_body", False):
            break
    if body.tell() > largest:
        raise RefusedError(413, f"the request has more than {largest:,} bytes")
    body.seek(0)


def replay(body: IO[bytes], receive: Receive) -> Receive:
    """Give a body that was read once more.

    Args:
        body: the body.
        receive: what comes after it.
    """
    body.seek(0)
    done = False

    async def again() -> Message:
        nonlocal done
        if done:
            return await receive()
        part = body.read(2**20)
        done = len(part) < 2**20
        return {"type": "http.request", "body": part, "more_body": not done}

    return again


def header(scope: Message, name: bytes) -> str:
    """A header of a request; empty where there is none.

    Args:
        scope: of the request.
        name: in lower case.

    >>> header({"headers": [(b"host", b"a")]}, b"host")
    'a'
    """
    return next((value.decode("latin-1") for key, value in scope.get("headers", []) if key == name), "")


async def refused(send: Send, scope: Message, status: int, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Answer that a request is not passed on.

    Args:
        send: sends the answer.
        scope: of the request.
        status: of the answer.
        detail: what is wrong.
        headers: further headers.
    """
    logger.warning("refused: %s %s: %s", scope.get("method"), ascii(scope.get("path", ""))[:200], ascii(detail)[:500])
    await answer(send, status, {"detail": detail}, headers)


async def answer(send: Send, status: int, content: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Answer with JSON.

    Args:
        send: sends the answer.
        status: of the answer.
        content: what JSON can hold.
        headers: further headers.
    """
    data = json.dumps(content).encode()
    length = str(len(data)).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json"), (b"content-length", length), *headers],
        }
    )
    await send({"type": "http.response.body", "body": data})
