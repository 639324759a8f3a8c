"""Requests MONAI Label itself cannot read: a client is told what is wrong, in place of "Internal Server Error"."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from monai_denoiseg.label.api import HTTPException, ImageNotFoundException, JSONResponse, LabelNotFoundException

logger = logging.getLogger(__name__)

ENDPOINTS = "monailabel.endpoints."
READERS = ("json", "pydantic")
"""Libraries an endpoint reads a request with."""
BLAMED_ON_THE_SERVER = ("Neither Image nor File", "DICOM SEG format is not supported", "Model File Name NOT configured")
"""Mistakes of a client which MONAI Label answers with a status of 500."""


def request_mistake(error: BaseException) -> str | None:
    """What is wrong with a request an endpoint of MONAI Label failed at; None where the request is not to blame.

    It is, where the endpoint's own lines or the library it reads the request with raised a ValueError or TypeError: the
    parameters sent as text were no JSON, or no object.

    Args:
        error: as it was caught, with its traceback.

    >>> request_mistake(ValueError("raised nowhere")) is None
    True
    """
    names = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [name for name in names if name.split(".")[0] not in READERS]
    if not isinstance(error, (TypeError, ValueError)) or not own or not own[-1].startswith(ENDPOINTS):
        return None
    return f'the parameters of the request must be a JSON object, such as {{"min_size": 20}}; reading them: {error}'


async def refuse(request: Any, error: Exception) -> Any:
    """Answer 400 or 404 to a mistake of the client; everything else stays as it is.

    Args:
        request: the request.
        error: what an endpoint raised.

    Returns:
        The response.
    """
    if isinstance(error, (ImageNotFoundException, LabelNotFoundException)):
        return JSONResponse({"detail": error.msg}, 404)
    if isinstance(error, AssertionError):
        if "nothing to include" not in str(error):
            raise error
        return JSONResponse({"detail": "no image of the study is annotated, so there is no data set to download"}, 404)
    if isinstance(error, HTTPException):
        mistake = error.status_code == 500 and str(error.detail).startswith(BLAMED_ON_THE_SERVER)
        return JSONResponse({"detail": error.detail}, 400 if mistake else error.status_code, headers=error.headers)
    text = request_mistake(error)
    if text is None:
        raise error
    logger.warning("refused: %s: %s", request.url.path, text)
    return JSONResponse({"detail": text}, 400)


def refuse_mistakes(server: Any) -> None:
    """Have a running server answer so.

    Args:
        server: the FastAPI application.

    >>> class Server(dict):
    ...     middleware_stack, add_exception_handler = "as started", dict.__setitem__
    >>> server = Server()
    >>> refuse_mistakes(server)
    >>> server[ValueError] is server[TypeError] is refuse, server.middleware_stack
    (True, None)
    """
    for kind in (AssertionError, ValueError, TypeError, HTTPException, ImageNotFoundException, LabelNotFoundException):
        server.add_exception_handler(kind, refuse)
    server.middleware_stack = None  # made anew at the next request: the server took over its handlers when it started
