"""The script that runs situations from bug reports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "cases.py"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False)


def test_right_wrong_and_left_out(tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "1_right.py").write_text("import os\nprint('RIGHT', os.path.basename(os.environ['DENOISEG_DATA']))")
    (cases / "2_wrong.py").write_text("import sys\nprint('WRONG it is')\nprint('more')\nsys.exit(1)")
    (cases / "3_served.py").write_text("import monailabel")
    done = run(cases, "--data", tmp_path, "--label-python", tmp_path / "none")
    assert done.returncode == 1
    right, wrong, left, last = done.stdout.splitlines()
    assert right.startswith("right") and right.endswith(f"cases/1_right.py: RIGHT {tmp_path.name}")
    assert wrong.startswith("wrong") and wrong.endswith("cases/2_wrong.py: WRONG it is")
    assert left.startswith("left out") and "make label-env" in left
    assert last == "3 scripts, 1 wrong: 2_wrong.py"
    assert run(cases / "1_right.py", "--data", tmp_path).returncode == 0


def test_nothing_to_run(tmp_path: Path) -> None:
    assert "no script in" in run(tmp_path, "--data", tmp_path).stderr
    (tmp_path / "a.py").touch()
    assert "no such folder" in run(tmp_path, "--data", tmp_path / "gone").stderr
