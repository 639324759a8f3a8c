"""The wheel, as a user installs it: its parts, its guide, and the small demo."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="runs in a checkout of the project only")


@pytest.mark.slow
def test_a_wheel_in_a_fresh_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "try_wheel.sh"), str(tmp_path), sys.executable], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Segmentation: AP" in done.stdout and "monai_denoiseg/docs/index.md" in done.stdout
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    inside = {f"monai_denoiseg/docs/{path.relative_to(ROOT / 'docs')}" for path in (ROOT / "docs").rglob("*.md")}
    assert inside <= set(names)
    metadata = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).read(next(n for n in names if n.endswith("METADATA"))).decode()
    assert "Project-URL: " in metadata and "Name: monai_denoiseg" in metadata
