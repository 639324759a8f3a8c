"""Memory that one step frees is kept for the next."""

from __future__ import annotations

import ctypes
import os
from functools import cache

# Parameters of mallopt(3), as malloc.h of glibc numbers them.
MALLOC_TRIM_THRESHOLD, MALLOC_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 2**31 - 1
"""Free memory at the end of the heap that is kept: the most that mallopt can be told."""
HEAP_BYTES = 32 * 2**20
"""Blocks up to this size come from the heap: the most that mallopt takes. Larger ones are given back when they are freed."""


@cache
def keep_freed_memory() -> bool:
    """Keep what is freed, up to 2 GiB, in place of handing it back to the system.

    A step of a training on a CPU needs the same hundred megabytes as the one before. The C library of Linux (glibc) gives them
    back in between, and then the system clears every page anew: about a tenth of the time of a step. The process hardly grows by
    this beyond its peak. The setting is made once and holds for the process; it is left alone where the environment has one
    (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_``, or ``GLIBC_TUNABLES`` with anything of ``glibc.malloc``).

    Returns:
        Whether memory is kept: False where the environment decides, or where the C library has no such setting.

    >>> isinstance(keep_freed_memory(), bool)
    True
    """
    own = any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"))
    if own or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS and musl have no mallopt, Windows no such library
        return False
    return bool(mallopt(MALLOC_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(MALLOC_MMAP_THRESHOLD, HEAP_BYTES))
