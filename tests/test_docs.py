"""The user guide: its code runs, its tables agree with the configurations, its links lead somewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monai_denoiseg.bundle.folders import bundle_folder

from .warm_start import warm_environment

ROOT = Path(__file__).parents[1]
DOCS, BUNDLE = ROOT / "docs", bundle_folder("denoiseg_2d")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+?) \|", re.MULTILINE)
KEYS = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \|", re.MULTILINE)  # one or more keys in the first cell

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="runs in a checkout of the project only")

PAGES = sorted(page.stem for page in DOCS.glob("*.md") if page.stem != "index")
BUNDLE_PAGES = sorted(bundle_folder(name) / "docs" / "README.md" for name in ("denoiseg_2d", "denoiseg_3d", "self2seg"))
PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")), *BUNDLE_PAGES]
WIDTH, README_LINES = 120, 200


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and the number of its first line."""

    language: str
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [Block(found[1], found[2], text[: found.start(2)].count("\n")) for found in FENCE.finditer(text)]


def run_bash(code: str, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-e"], input=code, cwd=folder, env=warm_environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the blocks of a page in their order: the Python ones in one namespace, all in one folder."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.language == "bash":
            run_bash(block.code, folder)
        elif block.language == "python":
            code = "\n" * block.line + block.code  # so that an error names the line of the page
            exec(compile(code, str(page), "exec"), names)


@pytest.fixture(scope="module")
def quick_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands of the first page leave behind; the other pages go on from there."""
    folder = tmp_path_factory.mktemp("quick_start")
    for block in blocks(DOCS / "index.md"):
        if block.language == "bash":
            run_bash(block.code, folder)
    return folder


def test_quick_start(quick_start: Path) -> None:
    assert {"model.pt", "last.pt"} <= {path.name for path in (quick_start / "denoiseg_run" / "models").iterdir()}
    assert len(list((quick_start / "denoiseg_results").glob("*_instances.tif"))) == 12


@pytest.mark.parametrize("name", PAGES)
def test_code_of_a_page(name: str, quick_start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(quick_start, tmp_path, dirs_exist_ok=True)
    run_page(DOCS / f"{name}.md", tmp_path, monkeypatch)


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
def test_code_of_the_bundle_page(bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("configs", "docs"):
        shutil.copytree(bundle_folder(bundle) / part, tmp_path / part)
    run_page(bundle_folder(bundle) / "docs" / "README.md", tmp_path, monkeypatch)
    assert (tmp_path / "predictions" / "nuclei_0000_denoised.tif").is_file()
    assert (tmp_path / "evaluation" / "metrics.json").is_file()


def test_code_of_the_page_of_the_single_image_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("configs", "docs"):
        shutil.copytree(bundle_folder("self2seg") / part, tmp_path / part)
    run_page(bundle_folder("self2seg") / "docs" / "README.md", tmp_path, monkeypatch)
    found = {path.name for path in (tmp_path / "predictions").glob("[!.]*")}
    endings = ("mask.tif", "denoised.tif", "energies.csv", "energies.svg", "lambda_masks.tif", "lambda_path.csv")
    assert found == {f"nuclei_0000_{ending}" for ending in endings} | {"measurements.csv", "summary.csv"}


def test_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_page(DOCS.parent / "README.md", tmp_path, monkeypatch)


def test_every_page_is_in_the_guide() -> None:
    """A newcomer begins at the index: a page that nobody can find from there might as well not be."""
    linked = {target for target, _ in LINK.findall((DOCS / "index.md").read_text("utf-8"))}
    assert [name for name in PAGES if f"{name}.md" not in linked] == []


def too_wide(page: Path, width: int = WIDTH) -> list[int]:
    """Numbers of the lines that are too wide. A table row and a picture cannot be wrapped."""
    lines = enumerate(page.read_text("utf-8").splitlines(), 1)
    return [number for number, line in lines if len(line) > width and not line.lstrip().startswith(("|", "!["))]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_wrapped(page: Path) -> None:
    assert too_wide(page) == []


def test_python_version_is_the_one_that_is_required() -> None:
    required = re.search(r'^requires-python = ">=(3\.\d+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert required
    told = {str(page.relative_to(ROOT)): re.findall(r"Python (3\.\d+) or newer", page.read_text("utf-8")) for page in PROSE}
    assert {name: versions for name, versions in told.items() if versions} == {"README.md": [required[1]]}


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= README_LINES


def user_keys(name: str, bundle: str = "denoiseg_2d") -> dict[str, Any]:
    """The keys a user may set: those above ``settings``."""
    config = json.loads((bundle_folder(bundle) / "configs" / f"{name}.json").read_text())
    keys = list(config)
    return {key: config[key] for key in keys[: keys.index("settings")] if key not in ("imports", "bundle_root")}


PARTS = {"training": ("## Keys", "## Normalisation"), "inference": ("### Keys of inference.json", "### Scores")}


def described_keys(page: str) -> set[str]:
    """Keys that have a row in a table of the page; none where there is no such page."""
    file = DOCS / f"{page}.md"
    if not file.is_file():
        return set()
    text = file.read_text("utf-8")
    start, end = PARTS.get(page, ("", ""))
    text = text[text.index(start) : text.index(end) if end else None]
    rows = KEYS.findall(re.sub(r"\| File \|.*?\n\n", "", text, flags=re.DOTALL))  # tables of files are no tables of keys
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def known_keys(page: str) -> set[str]:
    """Keys a page may describe."""
    configs = ("train",) if page == "training" else ("inference", "evaluate")
    return {key for config in configs for bundle in ("denoiseg_2d", "denoiseg_3d") for key in user_keys(config, bundle)}


@pytest.mark.parametrize("page", ["training", "inference"])
def test_tables_describe_keys_of_the_configuration(page: str) -> None:
    described = described_keys(page)
    assert sorted(described - known_keys(page)) == [], f"described in {page}.md, but not in the configuration"
    # The page says when to change a key. One that never needs changing may stand in the complete table alone.
    assert sorted(known_keys(page) - described - described_keys("settings")) == [], f"described nowhere: add a row to {page}.md"
    assert len(described) > 20


def test_the_table_of_self2seg_agrees_with_the_configuration() -> None:
    text = (DOCS / "self2seg.md").read_text("utf-8")
    rows = dict(ROW.findall(text[text.index("## Keys") : text.index("## Experts")]))
    keys = user_keys("inference", "self2seg")
    assert rows.keys() == keys.keys()
    plain = {key: value for key, value in keys.items() if not (isinstance(value, str) and value.startswith(("$", "@")))}
    assert {key: rows[key] for key in plain} == {key: f"`{json.dumps(value)}`" for key, value in plain.items()}


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{page.name}: {target}#{anchor}"


def test_blocks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nx = 1\n```\n\ntext\n\n```text\nno code\n```\n```bash\nls\n```\n")
    assert blocks(page) == [Block("python", "x = 1\n", 3), Block("text", "no code\n", 9), Block("bash", "ls\n", 12)]


def test_what_counts_as_too_wide(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| a long row |\n![a picture](x)\nlong prose\nshort\n")
    assert too_wide(page, width=8) == [3]


def test_a_wrong_command_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no-such-command"):
        run_bash("no-such-command\necho on", tmp_path)
