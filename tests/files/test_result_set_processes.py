"""Results of an image that several processes write, or one that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monai_denoiseg.files import ResultSet, result_set

NAMES = ("a_denoised.tif", "a_instances.tif", "panels/best.png")


def write(folder: Path, text: str, names: tuple[str, ...] = NAMES, **options: object) -> None:
    with ResultSet(folder, "image-a", **options) as results:  # type: ignore[arg-type]
        for name in names:
            results.add(folder / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    """All files but the record, also hidden ones."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".monai_denoiseg" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


LOOP = """
import sys
from pathlib import Path
from monai_denoiseg.files import ResultSet
folder, text = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
for turn in range(int(sys.argv[3])):
    with ResultSet(folder, "image-a") as results:
        for name in ("a", "b", "c"):
            results.add(folder / name).write_text(text)
"""


def test_two_processes_write_the_same_image(tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOOP, str(tmp_path)]
    processes = [subprocess.Popen([*words, text, "40"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for text in "12"]
    for process in processes:
        assert process.communicate(timeout=60)[1] == b""
    assert len(set(content(tmp_path).values())) == 1 and set(content(tmp_path)) == {"a", "b", "c"}


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_makes_nothing_foreign_and_its_rest_is_removed(tmp_path: Path, stop: signal.Signals) -> None:
    write(tmp_path, "old", ("a", "b", "c"))
    for turn in range(4):
        words = [sys.executable, "-c", LOOP, str(tmp_path), f"new{turn}", "100000"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.05 + 0.013 * turn)
        process.send_signal(stop)
        process.wait(timeout=60)
        process.stdout.close()
        there = {name: text for name, text in content(tmp_path).items() if not name.startswith(".")}
        assert set(there) == {"a", "b", "c"} and set(there.values()) <= {"old", *(f"new{i}" for i in range(turn + 1))}
        result_set.remove_leftovers.__globals__["_leftovers"].cache_clear()  # as in a new program
        write(tmp_path, "old", ("a", "b", "c"))
        assert content(tmp_path) == dict.fromkeys("abc", "old")
