"""A thousand bad requests: none is answered by an error of the app, kills the server, or touches what lies outside the study."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from monai_denoiseg.label import write_app

from .conftest import TOKEN, WAY_OUT, Server, start_server, write_planes, write_volume
from .fuzzing import Requests, Sent, plant, state

pytest.importorskip("monailabel", reason=WAY_OUT)
pytestmark = pytest.mark.label

FEW = 60
MANY = int(os.environ.get("DENOISEG_FUZZ", "1500"))
LONGEST = 30.0
"""Seconds an answer may take."""


class Target(NamedTuple):
    """A server of its own, and the folder all of it lies in."""

    server: Server
    root: Path


@pytest.fixture(scope="module")
def target(networks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    root = tmp_path_factory.mktemp("fuzzed")
    study = write_planes(root / "study")
    write_volume(root / "study" / "volume.nii.gz")
    app = write_app(root / "app", models=networks)
    plant(root)
    process, address = start_server(app, study.folder, root / "server.log", TOKEN)
    yield Target(Server(address, app, study, root / "server.log", TOKEN), root)
    assert process.poll() is None, "the server died"
    process.terminate()
    process.wait(30)


def ask(server: Server, sent: Sent) -> int:
    """Status of the answer to a request that is sent byte by byte as it is; 0 for none."""
    port = int(server.address.rpartition(":")[2])
    headers = {"Host": f"127.0.0.1:{port}", "Authorization": f"Bearer {TOKEN}", **sent.headers}
    lines = [f"{sent.method} {sent.target} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    lines += [f"Content-Length: {len(sent.body)}", "Connection: close"]
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=LONGEST) as stream:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
            stream.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + sent.body)
        with suppress(ConnectionResetError):
            while b"\r\n" not in answer and (part := stream.recv(4096)):
                answer += part
    status = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    return int(status[1]) if status else 0


def good(server: Server) -> str:
    """Digest of a right answer."""
    status, content = server.call("POST", "/infer/denoiseg_2d?image=plane3&output=image", params={"device": "cpu"})
    assert status == 200, content
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("seed", "count"), [(0, FEW), pytest.param(1, MANY, marks=pytest.mark.slow, id="many")]
)  # some minutes of one core
def test_bad_requests(target: Target, seed: int, count: int) -> None:
    server, before, first = target.server, state(target.root), good(target.server)
    start = len(server.log.read_text())
    counts: Counter[tuple[str, int]] = Counter()
    bad, slowest = [], 0.0
    for sent in Requests(seed, target.root).draw(count):
        began = time.monotonic()
        status = ask(server, sent)
        slowest = max(slowest, time.monotonic() - began)
        counts[sent.kind, status // 100] += 1
        if status >= 500 or status == 0 or (sent.kind == "training" and status < 400):
            bad.append((status, *sent[:4], sent.body[:300]))
    found = {f"{kind}: {hundred}xx": number for (kind, hundred), number in sorted(counts.items())}
    print(json.dumps(found | {"slowest": round(slowest, 1)}, indent=1))
    log = server.log.read_text()[start:]
    assert bad == [], log[-6000:]
    assert "Traceback" not in re.sub(r"(?s)the study could not be read.*?\n\[", "[", log) or "monai_denoiseg/label" not in log
    assert state(target.root) == before
    assert sum(counts.values()) == count
    assert sum(number for (_, hundred), number in counts.items() if hundred == 4) > count / 2
    assert good(server) == first
    assert sorted(path.name for path in target.root.iterdir() if "owned" in path.name) == []
