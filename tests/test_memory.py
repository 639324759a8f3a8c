"""Whether freed memory stays in the process, told by the pages that the system has to hand out again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

ON_GLIBC = platform.libc_ver()[0] == "glibc"
PAGES = 16 * 8 * 2**20 // os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
ROUNDS = """
import resource, sys
import torch
from monai_denoiseg.memory import keep_freed_memory

print(keep_freed_memory())
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(8 * 2**18) for _ in range(16)]  # 8 MiB each
    del blocks
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
needs_glibc = pytest.mark.skipif(not ON_GLIBC, reason="other C libraries have no such setting")


def rounds(**environment: str) -> tuple[str, int]:
    """What ``keep_freed_memory`` says in a process of its own, and the pages of the fourth round of blocks made and freed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    run = subprocess.run([sys.executable, "-c", ROUNDS], env=kept | environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    said, *pages = run.stdout.split()
    return said, int(pages[-1])


@needs_glibc
def test_what_a_step_frees_serves_the_next() -> None:
    said, pages = rounds()
    assert said == "True"
    assert pages < PAGES // 20


@needs_glibc
@pytest.mark.parametrize(("name", "value"), [("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_MMAP_THRESHOLD_", "65536")])
def test_the_environment_decides(name: str, value: str) -> None:
    said, pages = rounds(**{name: value})
    assert said == "False"
    assert pages > PAGES // 2, "the pages are handed out anew, as asked for"


@needs_glibc
def test_a_tunable_decides_too() -> None:
    assert rounds(GLIBC_TUNABLES="glibc.malloc.perturb=0")[0] == "False"


@pytest.mark.parametrize("library", [object(), OSError("no library"), TypeError("Windows wants a name")])
def test_other_libraries_are_left_alone(library: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_denoiseg import memory

    def load(name: None) -> object:
        if isinstance(library, Exception):
            raise library
        return library

    monkeypatch.setattr(memory.ctypes, "CDLL", load)
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    assert memory.keep_freed_memory.__wrapped__() is False


def test_a_network_on_a_cpu_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_denoiseg.engines import precision

    calls: list[bool] = []
    monkeypatch.setattr(precision, "keep_freed_memory", lambda: calls.append(True))
    precision.Precision("cpu", "off").prepare(torch.nn.Conv2d(1, 1, 3))
    assert calls == [True]


def test_noise2fast_keeps_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_denoiseg.self2seg import noise2fast_training
    from monai_denoiseg.self2seg.noise2fast_training import Noise2FastSettings, Training

    calls: list[bool] = []
    monkeypatch.setattr(noise2fast_training, "keep_freed_memory", lambda: calls.append(True))
    settings = Noise2FastSettings(features=4, max_iterations=1)
    Training(settings.network(), torch.rand(2, 1, 8, 8), None, settings)
    assert calls == [True]
