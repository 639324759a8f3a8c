"""A study of planes and volumes, an app with small networks for them, and a real server where MONAI Label is installed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.label import write_app
from monai_denoiseg.networks import DenoiSegNet

AFFINE = np.array([[0.5, 0, 0, 3.0], [0, -0.5, 0, -7.0], [0, 0, 2.0, 1.0], [0, 0, 0, 1.0]])
TINY = {"max_epochs": 2, "steps_per_epoch": 2, "batch_size": 4, "val_interval": 1, "device": "cpu"}
TOKEN = "correct-horse-battery"
WAY_OUT = "needs a MONAI Label server: `make label-env` builds its environment, `make test-label` runs these tests"


class Study(NamedTuple):
    """Folder of images, and the names of those annotated and not."""

    folder: Path
    annotated: list[str]
    waiting: list[str]


class FakeDatastore:
    """As much of MONAI Label's datastore as the package asks for."""

    def __init__(self, images: Mapping[str, Path], labels: Mapping[str, Path], infos: Mapping[str, Any] | None = None) -> None:
        self.images, self.labels, self.infos = dict(images), dict(labels), dict(infos or {})
        self.image_infos: dict[str, dict[str, Any]] = {}

    def list_images(self) -> list[str]:
        return list(self.images)

    def get_labeled_images(self, *_: Any) -> list[str]:
        return list(self.labels)

    def get_unlabeled_images(self, *_: Any) -> list[str]:
        return [name for name in self.images if name not in self.labels]

    def get_image_uri(self, name: str) -> str:
        return str(self.images.get(name, ""))

    def get_image_info(self, name: str) -> dict[str, Any]:
        return self.image_infos.get(name, {})

    def get_label_uri(self, name: str, _: str) -> str:
        return str(self.labels.get(name, ""))

    def get_label_info(self, name: str, _: str) -> dict[str, Any]:
        return dict(self.infos.get(name, {}))


def write_network(path: Path, dims: int) -> None:
    """A small network with random weights, whose threshold finds objects in noise."""
    torch.manual_seed(dims)
    network = DenoiSegNet(dims, depth=1, features=4, normalisation="image").eval()
    image = torch.from_numpy(simulate_nuclei((48, 48) if dims == 2 else (8, 24, 24), seed=1).image.astype(np.float32))[None, None]
    foreground = DenoiSegInferer(tta=True)(image, network)[:, 1]
    network.threshold.fill_(float(foreground.quantile(0.6)))
    torch.save(network.state_dict(), path)


def write_planes(folder: Path, count: int = 8, annotated: int = 2) -> Study:
    """TIFF images, the first of them with labels where MONAI Label keeps them."""
    (folder / "labels" / "final").mkdir(parents=True)
    names = [f"plane{i}" for i in range(count)]
    for i, name in enumerate(names):
        sample = simulate_nuclei((48, 40), seed=i)
        tifffile.imwrite(folder / f"{name}.tif", sample.image.clip(0, 65535).astype(np.uint16))
        if i < annotated:
            tifffile.imwrite(folder / "labels" / "final" / f"{name}.tif", sample.label.astype(np.uint16))
    return Study(folder, names[:annotated], names[annotated:])


def write_volume(path: Path) -> Path:
    image = simulate_nuclei((8, 24, 28), seed=5).image.clip(0, 32767).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(image.T), AFFINE), path)
    return path


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("networks")
    for dims in (2, 3):
        write_network(folder / f"{dims}d.pt", dims)
    return sorted(folder.glob("*.pt"))


@pytest.fixture
def app(networks: list[Path], tmp_path: Path) -> Path:
    """An app whose bundles are trained."""
    return write_app(tmp_path / "app", models=networks)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return write_planes(tmp_path / "study")


class Server:
    """A running server and how to talk to it."""

    def __init__(self, address: str, app: Path, study: Study, log: Path, token: str = "") -> None:
        self.address, self.app, self.study, self.log, self.token = address, app, study, log, token

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and content; ``body`` is sent as JSON, ``params`` as the form field MONAI Label reads them from."""
        if params is not None:
            return self.form(method, path, json.dumps(params))
        return self._send(method, path, None if body is None else json.dumps(body).encode(), "application/json", headers)

    def form(self, method: str, path: str, params: str, label: Path | None = None, field: str = "label") -> tuple[int, bytes]:
        """Status and content for a form with the text ``params``, and a file."""
        mark = b"--5f3b\r\nContent-Disposition: form-data; name="
        data = mark + b'"params"\r\n\r\n' + params.encode() + b"\r\n"
        if label is not None:
            data += mark + f'"{field}"; filename="{label.name}"\r\n\r\n'.encode() + label.read_bytes() + b"\r\n"
        return self._send(method, path, data + b"--5f3b--\r\n", "multipart/form-data; boundary=5f3b")

    def _send(
        self, method: str, path: str, data: bytes | None, kind: str, more: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        headers = {} if data is None else {"Content-Type": kind}
        headers |= ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | dict(more or {})
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path: str) -> Any:
        status, content = self.call("GET", path)
        assert status == 200, content
        return json.loads(content)

    def wait(self, *ends: str, seconds: float = 240) -> dict[str, Any]:
        """Wait until the training has one of these statuses."""
        start = time.time()
        while time.time() - start < seconds:
            task: dict[str, Any] = self.get("/train/")
            if task["status"] in ends:
                return task
            time.sleep(0.5)
        raise AssertionError(f"no {ends} in {seconds} seconds: {task}\n{self.log.read_text()[-3000:]}")


def start_server(
    app: Path, studies: Path, log: Path, token: str | None = None, **conf: str
) -> tuple[subprocess.Popen[bytes], str]:
    """MONAI Label's own command, or with a token ours, which puts a door in front."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "MONAI_LABEL_AUTO_UPDATE_SCORING": "false"}
    env["MONAI_LABEL_SESSION_PATH"] = str(log.parent / "sessions")
    plain = ["monailabel.main", "start_server", "--host", "127.0.0.1"]
    door = ["monai_denoiseg.cli", "label-server", "--token", str(token)]
    command = [sys.executable, "-W", "ignore", "-m", *(plain if token is None else door)]
    command += ["--app", str(app), "--studies", str(studies), "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, *(word for pair in conf.items() for word in ("--conf", *pair))],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=log.parent,
        )
    address = f"http://127.0.0.1:{port}"
    wanted = urllib.request.Request(f"{address}/info/", headers={"Authorization": f"Bearer {token}"})
    for _ in range(360):
        try:
            urllib.request.urlopen(wanted, timeout=30).close()
            return process, address
        except OSError:
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.5)
    raise AssertionError(f"the server did not answer:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def server(networks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MONAI Label behind the door, with one damaged file in its study."""
    pytest.importorskip("monailabel", reason=WAY_OUT)
    folder = tmp_path_factory.mktemp("server")
    study = write_planes(folder / "study")
    write_volume(folder / "study" / "volume.nii.gz")
    (study.folder / "broken.nii.gz").write_bytes(b"")
    app = write_app(folder / "app", models=networks)
    process, address = start_server(app, study.folder, folder / "server.log", TOKEN)
    yield Server(address, app, study, folder / "server.log", TOKEN)
    process.terminate()
    process.wait(30)
