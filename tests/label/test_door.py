"""The front door and the checks behind it, without a server: who is let in, and what is passed on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.cli import main
from monai_denoiseg.label.api import INSTALLED
from monai_denoiseg.label.door import FrontDoor
from monai_denoiseg.label.serve import check_folders, check_port, chosen_token

from .conftest import WAY_OUT

installed = pytest.mark.skipif(not INSTALLED, reason=WAY_OUT)
TOKEN = "correct-horse"
BEARER = {"authorization": f"Bearer {TOKEN}"}


class App:
    """An application that keeps what reaches it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def ask(
    app: Any, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", query: str = ""
) -> tuple[int, Any]:
    """Status and content of the answer, the body sent in pieces."""
    named = {"host": "127.0.0.1:8000", **(headers or {})}
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    scope["headers"] = [(key.lower().encode(), value.encode("latin-1")) for key, value in named.items()]  # type: ignore[assignment]
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)] or [b""]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"] or b"null")


def test_the_token_is_needed_and_enough() -> None:
    app = App()
    door = FrontDoor(app, TOKEN)
    for word in ("", "Bearer wrong", f"Basic {TOKEN}", "Bearer ä"):
        headers = {"authorization": word} if word else {}
        assert ask(door, "GET", "/info/", headers)[0] == 401
    assert app.bodies == []
    assert ask(door, "GET", "/info/", BEARER)[0] == 200
    assert ask(FrontDoor(app), "GET", "/info/")[0] == 200


def test_clients_of_monai_label_sign_in() -> None:
    door = FrontDoor(App(), TOKEN)
    assert ask(door, "GET", "/auth/")[1]["enabled"] is True
    assert ask(door, "POST", "/auth/token", {}, b"username=me&password=wrong")[0] == 401
    assert ask(door, "GET", "/auth/token")[0] == 405
    assert ask(door, "POST", "/auth/token", {}, b"A" * 20_000)[0] == 413
    assert ask(door, "OPTIONS", "/auth/token/valid")[1] == {}  # left to the application: no token came
    status, token = ask(door, "POST", "/auth/token", {}, f"username=me&password={TOKEN}&grant_type=password".encode())
    headers = {"authorization": f"{token['token_type']} {token['access_token']}"}
    assert (status, ask(door, "GET", "/auth/token/valid", headers)[0], ask(door, "GET", "/auth/token/valid")[0]) == (
        200,
        200,
        401,
    )
    assert ask(door, "GET", "/info/", headers)[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8000.evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"origin": "http://localhost:3000"}, 200),
        ({"host": "evil.example:8000"}, 421),
        ({"host": "evil.example:8000", "origin": "http://evil.example:8000"}, 421),
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "["}, 421),
    ],
)
def test_pages_of_others_are_kept_out(headers: dict[str, str], status: int) -> None:
    app = App()
    assert ask(FrontDoor(app, origins=["http://localhost:3000"]), "POST", "/info/", headers)[0] == status
    assert len(app.bodies) == (status == 200)


def test_what_a_request_leaves_is_removed(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        (tmp_path / "left.tif").touch()
        await App()(scope, receive, send)

    (tmp_path / "other").touch()
    assert ask(FrontDoor(app, temporary=tmp_path), "GET", "/info/")[0] == 200
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize(
    ("token", "host", "message"),
    [
        ("short", "127.0.0.1", "at least 8"),
        ("with a space", "127.0.0.1", "at least 8"),
        (None, "0.0.0.0", "lets other machines in"),
    ],
)
def test_tokens_that_are_none(token: str | None, host: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONAI_DENOISEG_LABEL_TOKEN", raising=False)
    with pytest.raises(ValueError, match=message):
        chosen_token(token, host)


def test_token_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONAI_DENOISEG_LABEL_TOKEN", TOKEN)
    assert chosen_token(None, "0.0.0.0") == TOKEN
    monkeypatch.delenv("MONAI_DENOISEG_LABEL_TOKEN")
    assert chosen_token(None, "localhost") is None


def test_what_cannot_be_served(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    with pytest.raises(FileNotFoundError, match="`--studies`"):
        check_folders(tmp_path, tmp_path / "nowhere")
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ValueError, match="cannot listen on"):
            check_port("127.0.0.1", taken.getsockname()[1])


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "label-server" in capsys.readouterr().out
    assert main(["label-server", "--app", str(tmp_path / "app"), "--studies", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert ("is no app" if INSTALLED else "make label-env") in error
    assert "Traceback" not in error
