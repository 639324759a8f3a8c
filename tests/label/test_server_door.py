"""What the door of a real server keeps out, and what it must not stop."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from .conftest import WAY_OUT, Server

pytest.importorskip("monailabel", reason=WAY_OUT)

from .test_fuzz_requests import attack

pytestmark = pytest.mark.label


def test_the_door_of_a_real_server(server: Server, tmp_path: Path) -> None:
    """What MONAI Label alone lets happen: any file written, read and deleted, by anybody and from any web page."""
    marker = server.study.folder.parent / "marker.tif"
    marker.write_bytes((server.study.folder / "plane0.tif").read_bytes())
    before, content = server.get("/datastore/"), marker.read_bytes()
    script = tmp_path / "x.py"
    script.write_text("evil = 1")
    for method, path, file in (
        ("PUT", "/datastore/image?image=../marker", server.study.folder / "plane1.tif"),
        ("PUT", f"/datastore/image?image={marker.with_suffix('')}", server.study.folder / "plane1.tif"),
        ("PUT", "/datastore/image?image=x", script),
        ("PUT", "/datastore/label?image=plane1&tag=../../../x", server.study.folder / "plane1.tif"),
    ):
        code, answer = server.form(method, path, "{}", file, "file" if "image?" in path else "label")
        assert code in (400, 404), answer
    for method, path in (
        ("DELETE", "/datastore/image?id=../marker"),
        ("DELETE", "/datastore/label?id=plane1&tag=..%2F..%2Fx"),
        ("GET", f"/session/{'..%2F' * 3}etc"),
        ("POST", f"/infer/denoiseg_2d?image={marker}&output=image"),
        ("POST", "/reload"),
    ):
        assert server.call(method, path)[0] == 404
    assert server.call("GET", "/info/", headers={"Origin": "http://evil.example"})[0] == 403
    assert server.call("GET", "/info/", headers={"Authorization": "Bearer wrong"})[0] == 401
    assert marker.read_bytes() == content
    assert server.get("/datastore/") == before


def test_nothing_is_done_through_a_link_that_leaves_the_study(server: Server) -> None:
    """It is the owner's, and read; an image or a label written or deleted through it would be somebody else's."""
    other, link = server.study.folder.parent / "elsewhere.tif", server.study.folder / "linked.tif"
    other.write_bytes((server.study.folder / "plane3.tif").read_bytes())
    link.symlink_to(other)
    for _ in range(100):
        if "linked" in server.get("/datastore/?output=all")["objects"]:
            break
        time.sleep(0.1)
    content = other.read_bytes()
    assert server.call("GET", "/datastore/image?image=linked") == (200, content)
    for method, path in (("PUT", "/datastore/image?image=linked"), ("DELETE", "/datastore/image?id=linked")):
        code, answer = server.form(method, path, "{}", server.study.folder / "plane1.tif", "file")
        assert (code, "is a link that leaves the study" in json.loads(answer)["detail"]) == (404, True)
    assert other.read_bytes() == content
    link.unlink()


def test_a_batch_without_options_runs_without_a_gpu(server: Server) -> None:
    code, content = server.call(
        "POST", "/batch/infer/denoiseg_2d?run_sync=true&images=labeled", {"label_tag": "batch", "tta": False}
    )
    answer = json.loads(content)
    assert (code, sorted(answer)) == (200, server.study.annotated)
    assert all(found["label"] in server.study.annotated for found in answer.values())


def test_a_label_nobody_can_read_is_told_at_once(server: Server, tmp_path: Path) -> None:
    (tmp_path / "l.tif").write_text("hello")
    code, content = server.form("PUT", "/datastore/label?image=plane7", "{}", tmp_path / "l.tif")
    assert (code, "plane7.tif" in json.loads(content)["warning"]) == (200, True)
    assert server.call("DELETE", "/datastore/label?id=plane7&tag=final")[0] == 200


def test_bad_requests(server: Server) -> None:
    """Last, as they may add to the study; many more are sent in test_fuzz_requests.py."""
    attack(server, 0, 60)
