"""Start MONAI Label's own server behind the front door."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai_denoiseg.label.api import HELP, INSTALLED
from monai_denoiseg.label.door import TOKEN, FrontDoor
from monai_denoiseg.label.request_checks import RequestChecks
from monai_denoiseg.label.submitted import check_process

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Hosts nobody but this machine reaches."""

SHORTEST_TOKEN = 8


def serve(
    app: str | os.PathLike,
    studies: str | os.PathLike,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    origins: Sequence[str] = (),
    conf: Sequence[Sequence[str]] = (),
) -> None:
    """Start the server; returns when it is stopped.

    Args:
        app: folder :func:`~monai_denoiseg.label.write_app` wrote, or that of another app of MONAI Label.
        studies: folder of the images.
        host: address to listen on; others than this machine's own need a token.
        port: to listen on.
        token: what every request must bring; ``""`` makes one up; None takes that of the environment variable
            ``MONAI_DENOISEG_LABEL_TOKEN``, if there is one.
        origins: origins of web pages that may use the server besides its own.
        conf: pairs for the app, such as ``("models", "denoiseg_2d")``.

    Raises:
        ImportError: where MONAI Label is not installed.
        FileNotFoundError: when there is no such app, or no such folder.
        ValueError: for an address or a token that cannot be used.
    """
    if not INSTALLED:
        raise ImportError(HELP)
    check_folders(app, studies)
    token = chosen_token(token, host)
    check_port(host, port)
    if token is not None:
        os.environ[TOKEN] = token  # for the processes it starts, which call it back
        print(f"token: {token}")
    words = ["--app", str(app), "--studies", str(studies), "--host", host, "--port", str(port)]
    words += [word for pair in conf for word in ("--conf", *pair)]
    with _own_temporary_folder() as temporary, _no_tasks_left():
        _run(words, {"token": token, "host": host, "origins": origins, "temporary": temporary})


def check_folders(app: str | os.PathLike, studies: str | os.PathLike) -> None:
    """Check that there is something to serve.

    Args:
        app: folder of the app.
        studies: folder of the images.

    Raises:
        FileNotFoundError: when one is missing.

    >>> check_folders("my_app", "my_images")
    Traceback (most recent call last):
        ...
    FileNotFoundError: `--app` my_app is no app (my_app/main.py is missing): write one with `monai-denoiseg label-app my_app`
    """
    main = Path(app) / "main.py"
    if not main.is_file():
        raise FileNotFoundError(f"`--app` {app} is no app ({main} is missing): write one with `monai-denoiseg label-app {app}`")
    if not Path(studies).is_dir():
        raise FileNotFoundError(f"`--studies` {studies} is no folder: name the folder of your images")


def chosen_token(token: str | None, host: str) -> str | None:
    """The token requests must bring.

    Args:
        token: as it is typed; ``""`` makes one up, None takes that of the environment.
        host: address to listen on.

    Raises:
        ValueError: for one that is too short or no word, and for none where other machines reach the server.

    >>> chosen_token("correct-horse", "127.0.0.1"), len(chosen_token("", "127.0.0.1"))
    ('correct-horse', 32)
    >>> chosen_token("short", "127.0.0.1")
    Traceback (most recent call last):
        ...
    ValueError: `--token` must be at least 8 letters and digits without spaces; leave its value out to have one made
    """
    token = os.environ.get(TOKEN) if token is None else token or secrets.token_urlsafe(24)
    if token is None and host not in LOCAL:
        raise ValueError(f"`--host` {host} lets other machines in: give a --token, or leave --host out")
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
        least = f"at least {SHORTEST_TOKEN} letters and digits without spaces"
        raise ValueError(f"`--token` must be {least}; leave its value out to have one made")
    return token


def check_port(host: str, port: int) -> None:
    """Check that the server can listen.

    Args:
        host: address.
        port: port.

    Raises:
        ValueError: when it cannot.

    >>> check_port("127.0.0.1", 99999)
    Traceback (most recent call last):
        ...
    ValueError: `--port` must be in [1, 65535], got 99999
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"`--port` must be in [1, 65535], got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ValueError(f"cannot listen on {host}:{port}: {error.strerror or error}; name another --port or --host") from error


def _run(words: Sequence[str], door: dict[str, Any]) -> None:
    """Do what ``monailabel start_server`` does, with the door in front."""
    import uvicorn
    from monailabel.main import Main
    from monailabel.utils.others.generic import init_log_config

    main = Main()
    arguments = main.args_parser().parse_args(["start_server", *words])
    main.start_server_validate_args(arguments)
    main.start_server_init_settings(arguments)
    log = init_log_config(None, arguments.app, "app.log", arguments.verbose)
    from monailabel.app import app
    from monailabel.config import settings
    from monailabel.interfaces.utils.app import app_instance

    def check(method: str, request: dict[str, Any]) -> None:
        getattr(app_instance(), "check_task", lambda method, request: check_process(request))(method, request)

    def check_model(model: str, path: str) -> str:
        return str(getattr(app_instance(), "uploaded_model_problem", lambda model, path: "")(model, path))

    def models() -> list[str]:
        return list(app_instance()._trainers)

    checked = RequestChecks(app, lambda: settings.MONAI_LABEL_STUDIES, check, check_model, models)
    uvicorn.run(FrontDoor(checked, **door), host=arguments.host, port=arguments.port, log_config=log, use_colors=False)


@contextmanager
def _own_temporary_folder() -> Iterator[str]:
    """A temporary folder of the server's own, which is gone at its end; the processes it starts have their own."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="denoiseg_label_") as folder:
        tempfile.tempdir = folder
        try:
            yield folder
        finally:
            tempfile.tempdir = before


@contextmanager
def _no_tasks_left() -> Iterator[None]:
    """End the trainings and scorings with the server that started them, whichever way it is stopped."""
    from monailabel.utils.async_tasks import utils

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # else the process ends before it has tidied up
    try:
        yield
    finally:
        for method, executor in utils.background_executors.items():
            executor.shutdown(wait=False, cancel_futures=True)
            if utils.processes(method):
                utils.stop_background_task(method)
        signal.signal(signal.SIGTERM, before)
