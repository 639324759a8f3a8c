"""Programs that start warm: a process that has the libraries loaded already forks for each command.

A cold start of ``monai-denoiseg`` spends most of its seconds on importing PyTorch and MONAI. Here a server imports them once;
``monai-denoiseg`` and ``python`` on the search path are short scripts that hand their words, folder, environment and open
files to it. Each command still runs in a process of its own, from its own entry point.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

SHIM = """#!{python} -SEs
import json, os, socket, sys
words = sys.argv[1:]
if {command!r} == "python" and words[:1] not in (["-m"], ["-c"]):
    os.execv({python!r}, [{python!r}, *words])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b"!"], [0, 1, 2])
request = json.dumps({{"command": {command!r}, "words": words, "cwd": os.getcwd(), "env": dict(os.environ)}})
server.sendall(request.encode())
server.shutdown(socket.SHUT_WR)
code = int(server.makefile().read() or 70)
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


class WarmStart:
    """The server, and the folder of scripts that go first on the search path of whoever is to start warm."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm")
        self.scripts, address = Path(self._folder.name, "bin"), str(Path(self._folder.name, "server"))
        self.scripts.mkdir()
        for command in ("monai-denoiseg", "python"):
            script = self.scripts / command
            script.write_text(SHIM.format(python=sys.executable, command=command, address=address))
            script.chmod(0o755)
        self._server = subprocess.Popen([sys.executable, __file__, address], stdout=subprocess.PIPE, env=self.environment())
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == b"ready\n", "the server of warm starts ended before it was ready"

    def environment(self) -> dict[str, str]:
        """The environment of a program whose ``python`` and ``monai-denoiseg`` start warm."""
        path = os.pathsep.join([str(self.scripts), os.environ["PATH"]])
        return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

    def close(self) -> None:
        """End the server."""
        self._server.terminate()
        self._server.wait()
        self._folder.cleanup()


@functools.cache
def warm_environment() -> dict[str, str]:
    """The environment of programs that start warm; the server ends with this process."""
    server = WarmStart()
    atexit.register(server.close)
    return server.environment()


def serve(address: str) -> None:
    """Import what the commands need, then fork for each of them."""
    import monai_denoiseg

    with suppress(ImportError):
        import monai.bundle.__main__  # noqa: F401
    for module in pkgutil.walk_packages(monai_denoiseg.__path__, "monai_denoiseg."):
        with suppress(Exception):  # the rooms of optional libraries
            importlib.import_module(module.name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            answer(client)
            os._exit(0)
        client.close()


def answer(client: socket.socket) -> None:
    """Run one command in a child of this process, and say how it ended."""
    _, files, _, _ = socket.recv_fds(client, 1, 3)
    request = json.loads(client.makefile().read())
    child = os.fork()
    if child == 0:
        client.close()
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        code = ended(lambda: run(**request))
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    client.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def run(command: str, words: list[str], cwd: str, env: dict[str, str]) -> None:
    """What the program does, in the process it has for itself."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None
    if command == "monai-denoiseg":
        from monai_denoiseg.cli import main

        sys.argv = [command, *words]
        sys.exit(main())
    kind, name, *rest = words
    sys.path[0] = cwd if kind == "-m" else ""
    sys.argv = ["-c" if kind == "-c" else name, *rest]
    if kind == "-m":
        sys.modules.pop(name, None)
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(name, "<string>", "exec"), names)


def ended(program: Callable[[], object]) -> int:
    """The exit status of a program, as Python itself would give it."""
    try:
        program()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
