"""One program at a time in a folder, with real processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monai_denoiseg.files import FolderLock, lock
from monai_denoiseg.files.lock import LOCK_NAME, is_running

HOLD = """
import sys, time
from monai_denoiseg.files.lock import FolderLock
with FolderLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_who_works_there(tmp_path: Path, holder: subprocess.Popen) -> None:
    expected = (
        rf"another training \(pid {holder.pid} on {socket.gethostname()}, since 20.*\) works in .*; wait for it, stop it or"
    )
    with pytest.raises(RuntimeError, match=expected), FolderLock(tmp_path):
        raise AssertionError("two programs in one folder")
    assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == holder.pid


def test_the_lock_of_a_killed_process_is_taken_over(
    tmp_path: Path, holder: subprocess.Popen, caplog: pytest.LogCaptureFixture
) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK_NAME).is_file()
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()
    assert f"pid {holder.pid}" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_of_many_processes_at_once_one_at_a_time_is_in(tmp_path: Path) -> None:
    work = """
import sys, time
from pathlib import Path
from monai_denoiseg.files.lock import FolderLock
inside = Path(sys.argv[2])
done = 0
while done < 20:
    try:
        with FolderLock(sys.argv[1]):
            inside.mkdir()  # fails if another one is in
            inside.rmdir()
            done += 1
    except RuntimeError:
        time.sleep(0.001)
"""
    words = [sys.executable, "-c", work, str(tmp_path / "run"), str(tmp_path / "inside")]
    processes = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), FolderLock(tmp_path):
        raise KeyboardInterrupt
    with FolderLock(tmp_path):
        pass


@pytest.mark.parametrize(("host", "free"), [(socket.gethostname(), True), ("elsewhere", False)])
def test_without_locks_of_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, free: bool) -> None:
    monkeypatch.setattr(lock, "fcntl", None)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (tmp_path / LOCK_NAME).write_text(json.dumps({"pid": process.pid, "host": host, "since": "yesterday"}))
    if free:
        with FolderLock(tmp_path), pytest.raises(RuntimeError, match=f"pid {os.getpid()} on"):
            FolderLock(tmp_path).acquire()
    else:
        with pytest.raises(RuntimeError, match=r"pid \d+ on elsewhere, since yesterday.*remove .*\.lock"):
            FolderLock(tmp_path).acquire()


def test_children_of_a_dead_holder_are_waited_for(tmp_path: Path) -> None:
    """A data loader's worker shares the lock and outlives a killed training for a moment."""
    work = f"""
import os, sys, time
from monai_denoiseg.files.lock import FolderLock
FolderLock({str(tmp_path)!r}).acquire()
if os.fork() == 0:
    time.sleep(1)
    os._exit(0)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", work], check=False)
    started = time.monotonic()
    with pytest.raises(RuntimeError):
        FolderLock(tmp_path, patience=0).acquire()
    with FolderLock(tmp_path):
        assert time.monotonic() - started < 5


def test_is_running() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert is_running(os.getpid())
    assert not is_running(process.pid)


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lock.os, "pwrite", full)
    with pytest.raises(OSError, match=f"cannot write {tmp_path}/{LOCK_NAME}: no space left on the disk"):
        FolderLock(tmp_path).acquire()
