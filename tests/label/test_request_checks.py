"""What is passed on to MONAI Label and what is refused: names, addresses, options, files, archives."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.label.addresses import RefusedError, check_image, check_path, check_query
from monai_denoiseg.label.api import INSTALLED
from monai_denoiseg.label.archives import check_archive
from monai_denoiseg.label.bodies import check_options, check_task, truthy
from monai_denoiseg.label.names import inside, plain_name, upload_name
from monai_denoiseg.label.request_checks import RequestChecks
from monai_denoiseg.label.strict_json import strict_json

from .conftest import WAY_OUT
from .fuzzing import DEEP, TREE
from .parts import archive, form
from .test_door import App, ask

installed = pytest.mark.skipif(not INSTALLED, reason=WAY_OUT)
TOKEN = "correct-horse"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("name", [*TREE, *DEEP, "", "/", ".", "a/b"])
def test_names_that_are_none(name: str) -> None:
    assert not plain_name(name)
    with pytest.raises(RefusedError):
        check_query("/datastore/image", [("image", "plane1"), ("image", name or "/")], "study")


@pytest.mark.parametrize("name", ["case 1", "a.b.c", "50%", "%41", "Präparat µ", "_x-1", "Bildschirmfoto\u202f12", "a..b", " a"])
def test_names_as_people_give_them(name: str) -> None:
    assert plain_name(name)


def test_names_of_uploads() -> None:
    assert upload_name("a.TIF")
    assert not any(upload_name(name) for name in ("x.py", "x", "../x.tif", "x.tif.py", "x.json", "\0.tif"))


def test_links_that_leave_the_study(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "other.tif").touch()
    (tmp_path / "study" / "link.tif").symlink_to(tmp_path / "other.tif")
    assert not inside(tmp_path / "study" / "link.tif", tmp_path / "study")
    assert inside(tmp_path / "study" / "new.tif", tmp_path / "study")


@pytest.mark.parametrize(
    "path", ["/proxy/dicom/x", "/reload", "/reload/", "/session/..", "/infer/a\\b", "/static/../x", "/infer/%2e%2e"]
)
def test_addresses_that_are_closed(path: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_path(path)
    assert caught.value.status == 404


def test_images_by_path_lie_in_the_study(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for image in ("plane1", "", 5, str(study / "a.tif")):
        check_image(image, str(study))
    for image in (str(tmp_path / "a.tif"), f"{study}/../a.tif", "study/a.tif", "../a", "file:///etc/passwd"):
        with pytest.raises(RefusedError):
            check_image(image, str(study))


@pytest.mark.parametrize(
    "options",
    [
        {"image": "/etc/passwd"},
        {"params": {"image": "../x"}},
        {"images": ["plane1", "../x"]},
        {"label": "x.tif"},
        {"label_tag": "../x"},
        {"session": {"image": "x"}},
    ],
)
def test_options_that_name_something_else(options: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        check_options("/infer/denoiseg_2d", options, "study")
    check_options("/datastore/label", options, "study")  # there it is kept, and means nothing


@pytest.mark.parametrize(
    "text",
    [
        b"\xff{}",
        "NaN",
        "[Infinity]",
        "1e999",
        "1" * 30,
        '"\\ud800"',
        '{"\\ud800": 1}',
        "[" * 40 + "]" * 40,
        "[" * 100_000,
        "{",
        "",
    ],
)
def test_json_that_is_none(text: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"UTF-8|no JSON|too large|half a character|nested"):
        strict_json(text)


def test_json_as_it_is() -> None:
    value = {"a": [1, -2.5, None, True, "ä\U0001f600"], "b": {"c": []}}
    assert strict_json(json.dumps(value).encode()) == value


def zipped(name: str, content: bytes = b"owned", link: bool = False) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as found:
        member = zipfile.ZipInfo(name)
        member.external_attr = 0xA1FF0000 if link else 0
        found.writestr(member, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tar.gz", archive("../owned"), "leaves the folder"),
        ("a.tgz", archive("/owned/x"), "leaves the folder"),
        ("a.tar.gz", archive("link", link=True), "link or a device"),
        ("a.zip", zipped("../owned"), "leaves the folder"),
        ("a.zip", zipped("link", link=True), "is a link"),
        ("a.zip", zipped("bomb", b"\0" * 100_000), "unpacks to more than"),
        ("a.zip", archive("a"), "is no archive"),
        ("a.tar.gz", archive("a" * 50)[:-30], "is no archive"),
        ("a.7z", b"7z", "is no archive"),
    ],
    ids=range(9),  # the contents hold the time
)
def test_archives_that_are_not_unpacked(name: str, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_archive(io.BytesIO(content), name, 50_000)


def test_archives_that_are() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        folder = tarfile.TarInfo("series")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        tar.addfile(tarfile.TarInfo("./series/a.dcm"))
    for name, content in (("a.tar", stream.getvalue()), ("a.zip", zipped("series/a.dcm"))):
        check_archive(io.BytesIO(content), name, 50_000)


def checks(app: App, **options: Any) -> RequestChecks:
    def check(method: str, request: dict[str, Any]) -> None:
        if request.get("max_epochs") == -1:
            raise ValueError(f"{method} {request['model']}: `max_epochs` must be positive")

    return RequestChecks(app, lambda: "study", check, lambda model, path: Path(path).read_text(), lambda: ["a", "b"], **options)


def test_bodies_pass_as_they_came() -> None:
    app = App()
    body = b'{"a": 1}' + b" " * 100
    assert ask(checks(app), "POST", "/activelearning/random", {"content-type": "application/json"}, body)[0] == 200
    assert ask(checks(app), "GET", "/info/")[0] == 200
    assert app.bodies == [body, b""]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/train/a", b'{"max_epochs": -1}', 400, "train a: `max_epochs`"),
        ("/train/", b'{"b": {"max_epochs": -1}}', 400, "train b: `max_epochs`"),
        ("/train/a", b"[1]", 400, "must be a JSON object"),
        ("/train/a", b'{"x": NaN}', 400, "NaN is no JSON"),
        ("/infer/wsi/a", b'{"params": {"image": "../x"}}', 404, "no image '../x'"),
        ("/activelearning/random", b"A" * 20_000, 413, "more than"),
    ],
)
def test_bodies_that_are_refused(path: str, body: bytes, status: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()
    monkeypatch.setattr("monai_denoiseg.label.request_checks.LARGEST_TEXT", 10_000)
    code, answer = ask(checks(app), "POST", path, {"content-type": "application/json"}, body)
    assert (code, app.bodies) == (status, [])
    assert message in answer["detail"]


@installed
@pytest.mark.parametrize(
    ("path", "query", "fields", "file", "status"),
    [
        ("/datastore/image", "", {}, ("file", "a.tif", b"x"), 200),
        ("/datastore/image", "", {}, ("file", "a.py", b"x"), 400),
        ("/datastore/label", "image=a&tag=..%2Fb", {}, ("label", "a.tif", b"x"), 404),
        ("/datastore/label", "image=a", {"params": "[1]"}, ("label", "a.tif", b"x"), 400),
        ("/infer/a", "image=a", {"params": '{"image": "/etc/passwd"}'}, ("label", "a.bin", b"x"), 404),
        ("/session/", "uncompress=1", {}, ("files", "a.tgz", archive("../owned")), 400),
        ("/session/", "uncompress=false", {}, ("files", "a.tif", b"x"), 200),
        ("/model/a", "", {}, ("file", "m.pt", b"damaged"), 400),
        ("/model/a", "", {}, ("file", "m.pt", b""), 200),
    ],
)
def test_forms(path: str, query: str, fields: dict[str, Any], file: tuple[str, str, bytes], status: int) -> None:
    app = App()
    headers, body = form(fields, {file[0]: file[1:]})
    code, answer = ask(checks(app), "PUT", path, headers, body, query)
    assert code == status, answer
    assert app.bodies == ([body] if status == 200 else [])
    assert ask(checks(App(), largest=100), "PUT", path, headers, body + b"A" * 100, query)[0] in (404, 413)


def test_tasks_of_all_models_and_switches() -> None:
    asked: list[Any] = []
    options = {"epochs": 1, "b": {"epochs": 2}}
    check_task("/train/", options, lambda method, request: asked.append((method, request)), ["a", "b"])
    assert [(method, request["model"]) for method, request in asked] == [("train", "a"), ("train", "b")]
    assert truthy(["false", "true"])
