"""What the client did wrong as an answer with a 4xx status."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from monai_denoiseg.engines import first_cause
from monai_denoiseg.label.api import HTTPException, MONAILabelException
from monai_denoiseg.label.options import text

logger = logging.getLogger(__name__)


def told(run: Callable[[], Any], **texts: Any) -> Any:
    """Call, and turn what the client did wrong into an answer with a 4xx status.

    Args:
        run: what to do.
        texts: options that must be text, if they are there.

    Returns:
        What it returns.

    Raises:
        HTTPException: 404 for an unknown image, model or strategy and a model that is not trained yet, 400 for other mistakes.

    >>> told(lambda: 3)
    3
    """
    try:
        for key, value in texts.items():
            text(key, "" if value is None else value)
        return run()
    except HTTPException:
        raise
    except MONAILabelException as error:
        raise HTTPException(404, error.msg) from error
    except Exception as error:
        status, reason = status_of(error)
        if status is None:
            raise
        logger.warning("refused: %s", reason)
        raise HTTPException(status, reason) from error


def status_of(error: BaseException) -> tuple[int | None, str]:
    """The HTTP status of a client's mistake and what to say; no status for an error of the server.

    Args:
        error: what was raised.

    >>> status_of(ValueError("`tta` must be true or false")), status_of(ZeroDivisionError())[0]
    ((400, '`tta` must be true or false'), None)
    """
    cause = first_cause(error)
    if isinstance(cause, MemoryError):
        return 400, "this does not fit into memory"
    if isinstance(cause, FileNotFoundError) or type(cause) is LookupError:
        return 404, str(cause)
    return (400, str(cause)) if isinstance(cause, ValueError) else (None, "")
