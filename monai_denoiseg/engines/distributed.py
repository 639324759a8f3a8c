"""Leave a process group so that the program can end."""

from __future__ import annotations

import time

import torch.distributed

QUIET = 0.5  # seconds


def leave_group() -> None:
    """Wait for the other processes, end the process group, and let its threads put down what they hold.

    Gloo's threads live as long as a ``DistributedDataParallel`` network refers to the group, and the last of them may still hold
    tensors of the last exchange when ``destroy_process_group`` returns. If one gives them back while Python already ends, the
    program is aborted ("terminate called without an active exception", exit code 134) after all its work was done. They need
    microseconds.

    Source: PyTorch pull request 179291 and issue 190489.

    >>> leave_group()  # without a group there is nothing to do
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    time.sleep(QUIET)
