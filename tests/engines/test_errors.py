"""Errors and the end of a program."""

from __future__ import annotations

import threading
import time
from multiprocessing.pool import ThreadPool

from monai_denoiseg.engines import wait_for_workers


def test_threads_of_an_abandoned_pool_are_waited_for() -> None:
    """As a cache does whose first item fails: the pool is left, its thread is still at the next item."""
    begun, done = threading.Event(), []

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("item 0")
        begun.set()
        time.sleep(0.3)
        done.append(item)

    pool = ThreadPool(2)
    try:
        for _ in pool.imap(work, range(2)):
            pass
    except ValueError:
        begun.wait(5)
        pool.terminate()
    wait_for_workers()
    assert done == [1]


def test_other_threads_are_not_waited_for() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, args=(20,), daemon=True)
    thread.start()
    begin = time.perf_counter()
    wait_for_workers()
    assert time.perf_counter() - begin < 10
    stop.set()
