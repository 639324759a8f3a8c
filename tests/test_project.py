"""The files around the package: versions, pins, paths, sizes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import monai_denoiseg

ROOT = Path(__file__).parents[1]
LINES = 300
MEGABYTE = 1 << 20
WEIGHTS = ROOT / "bundles" / "denoiseg_2d" / "models" / "model.pt"
# A folder of somebody's own machine; spelt so that this line does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|home|root|Users|tmp)/\w")

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="runs in a checkout of the project only")


def project_files() -> list[Path]:
    """Files git tracks, or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a checkout of the project")
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def pyproject() -> dict[str, object]:
    tomllib = pytest.importorskip("tomllib", reason="reads TOML with Python >= 3.11")
    parsed: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return parsed


def requirements() -> list[Requirement]:
    project = pyproject()
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    texts = [*project["dependencies"], *(text for extra in optional.values() for text in extra)]  # type: ignore[misc]
    return [Requirement(text) for text in texts if canonicalize_name(Requirement(text).name) != "monai-denoiseg"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
            assert match, f"constraints.txt: {line!r} is no exact pin of a public version"
            found[canonicalize_name(match[1])] = match[2]
    return found


def test_requirements_have_lower_bounds_only() -> None:
    wrong = [str(need) for need in requirements() if any(bound.operator != ">=" for bound in need.specifier)]
    assert wrong == []


def test_extras() -> None:
    assert {"test", "report", "dev", "all"} <= set(pyproject()["optional-dependencies"])  # type: ignore[call-overload]


def test_constraints_pin_every_requirement_within_its_bound() -> None:
    pinned = pins()
    assert pinned["torch"] == "2.13.0"
    assert pinned["monai"] == "1.6.1"
    missing = [need.name for need in requirements() if canonicalize_name(need.name) not in pinned]
    assert missing == []
    outside = [str(need) for need in requirements() if not need.specifier.contains(pinned[canonicalize_name(need.name)])]
    assert outside == []


def test_version_is_in_the_changelog() -> None:
    assert f"## [{monai_denoiseg.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_no_path_of_one_machine() -> None:
    found = []
    for path in project_files():
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:  # a picture
            continue
        found += [f"{path.relative_to(ROOT)}:{n}: {line[:120]}" for n, line in enumerate(lines, 1) if MACHINE_PATH.search(line)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "found"), [("/".join(["", "home", "me"]), True), ("https://x.org/home/me", False), ("tests/work/a", False)]
)
def test_what_counts_as_a_path_of_one_machine(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(f"see {text}")) == found


def test_no_long_file() -> None:
    sizes = {
        path.relative_to(ROOT): len(path.read_text("utf-8").splitlines()) for path in project_files() if path.suffix == ".py"
    }
    assert {str(path): size for path, size in sizes.items() if size > LINES} == {}


def test_no_large_file() -> None:
    allowed = {WEIGHTS: 8 * MEGABYTE}
    assert [path for path in project_files() if path.stat().st_size > allowed.get(path, MEGABYTE)] == []


def test_every_bundle_has_the_licence() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    bundles = [path for path in (ROOT / "bundles").iterdir() if path.is_dir()]
    assert bundles
    assert [path.name for path in bundles if (path / "LICENSE").read_text("utf-8") != text] == []
