"""A program that starts warm differs from one that starts cold in nothing but the seconds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .warm_start import warm_environment

CODE = """
import os, sys
print(sys.stdin.read(), os.getcwd(), os.environ["OURS"], sys.argv[1:])
print("said", file=sys.stderr)
sys.stdout.flush()
"""
ENDS = ["", "sys.exit(3)", "sys.exit('said at the end')", "os._exit(7)", "os.kill(os.getpid(), 9)"]


def run(python: str, folder: Path, *words: str) -> tuple[int, str, str]:
    (folder / "given.txt").write_text("given")
    with (folder / "given.txt").open() as given:
        env = warm_environment() | {"OURS": "a b"}
        program = shutil.which(python, path=env["PATH"]) or python
        done = subprocess.run([program, *words], cwd=folder, env=env, stdin=given, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("end", ENDS)
def test_like_a_cold_one(end: str, tmp_path: Path) -> None:
    cold, warm = (run(python, tmp_path, "-c", CODE + end, "1 2", "--x") for python in (sys.executable, "python"))
    assert warm == cold
    assert cold[1] == f"given {tmp_path} a b ['1 2', '--x']\n"


def test_an_error_is_told_and_counts(tmp_path: Path) -> None:
    code, out, err = run("python", tmp_path, "-c", "1 / 0")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_modules_scripts_and_the_command(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys; print(__name__, sys.argv[1])")
    assert run("python", tmp_path, "-m", "mine", "a")[1] == "__main__ a\n"
    assert run("python", tmp_path, "mine.py", "b")[1] == "__main__ b\n"
    code, out, err = run("monai-denoiseg", tmp_path, "nonsense")
    assert (code, out) == (2, "") and "invalid choice: 'nonsense'" in err
