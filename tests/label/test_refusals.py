"""Which errors of an endpoint are the client's; a real server is asked in test_server.py."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from monai_denoiseg.label.api import INSTALLED, HTTPException
from monai_denoiseg.label.refusals import refuse, request_mistake

from .conftest import WAY_OUT

installed = pytest.mark.skipif(not INSTALLED, reason=WAY_OUT)


def raised(module: str, line: str) -> Exception:
    """What a line raises in a function of a module of this name."""
    names: dict[str, Any] = {"__name__": module, "json": json}
    exec(f"def run():\n    {line}", names)
    try:
        names["run"]()
    except Exception as error:
        return error
    raise AssertionError(f"{line} raised nothing")


@pytest.mark.parametrize("line", ["json.loads('{no')", "{}.update(json.loads('[1]'))", "{}.update(json.loads('3'))"])
def test_an_endpoint_that_cannot_read_its_request(line: str) -> None:
    text = request_mistake(raised("monailabel.endpoints.infer", line))
    assert text is not None
    assert "must be a JSON object" in text


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("monailabel.tasks.infer.bundle", "json.loads('{no')"),
        ("monailabel.endpoints.infer", "1 / 0"),
        ("monai_denoiseg.label.app", "{}.update(3)"),
    ],
)
def test_errors_of_the_server_stay_its_own(module: str, line: str) -> None:
    error = raised(module, line)
    assert request_mistake(error) is None
    with pytest.raises(type(error)):
        asyncio.run(refuse(None, error))


@installed
@pytest.mark.parametrize(
    ("status", "detail", "answered"),
    [
        (500, "Neither Image nor File not Session ID input is provided", 400),
        (500, "Failed to execute infer", 500),
        (404, "x", 404),
    ],
)
def test_status_of_what_monai_label_refuses(status: int, detail: str, answered: int) -> None:
    response = asyncio.run(refuse(None, HTTPException(status, detail)))
    assert (response.status_code, json.loads(response.body)) == (answered, {"detail": detail})
