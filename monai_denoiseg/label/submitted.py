"""Tasks MONAI Label runs in a process of their own: what it cannot start would stay "SUBMITTED" for ever."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import torch

from monai_denoiseg.label.options import device_of, infer_settings, shown, text, truth, whole_number

LARGEST_REQUEST = 100_000
"""Bytes of a request that is handed to a process as a word of its command; the system allows 128 kB."""

OWN_KEYS = ("bundle_path", "local_rank")
"""Keys MONAI Label itself adds; from a client ``bundle_path`` would be a folder Python loads modules from."""


def check_process(request: Mapping[str, Any]) -> None:
    """Check what MONAI Label needs to start a process.

    Args:
        request: what the process is asked.

    Raises:
        ValueError: when it could not start.

    >>> check_process({"gpus": 5})
    Traceback (most recent call last):
        ...
    ValueError: `gpus` must be "all" or numbers separated by commas, got 5
    """
    gpus = request.get("gpus")
    if gpus not in (None, "", "all") and not (isinstance(gpus, str) and re.fullmatch(r"\d{1,3}(,\d{1,3}){0,63}", gpus)):
        raise ValueError(f'`gpus` must be "all" or numbers separated by commas, got {shown(gpus)}')
    for key in OWN_KEYS:
        if request.get(key) is not None:
            raise ValueError(f"`{key}` is set by the server; leave it out")
    size = len(json.dumps(request, default=str))
    if size > LARGEST_REQUEST:
        raise ValueError(f"the options have {size:,} bytes; a task takes {LARGEST_REQUEST:,}")


def check_batch(request: Mapping[str, Any]) -> dict[str, Any]:
    """Check and complete a request for many images.

    Args:
        request: see MONAI Label's ``/batch/infer``.

    Returns:
        The request; where there is no GPU, ``multi_gpu`` is false.

    Raises:
        ValueError: for an option that is wrong.

    >>> check_batch({"images": "all", "device": "cpu"})["multi_gpu"]
    False
    """
    found = dict(request)
    infer_settings(found)
    device_of(found)
    for key in ("max_workers", "max_batch_size"):
        if found.get(key) is not None:
            found[key] = whole_number(key, found[key])
    images = found.get("images")
    if images is not None and not isinstance(images, str):
        if not isinstance(images, list):
            raise ValueError(f'`images` must be "all", "labeled", "unlabeled" or a list, got {shown(images)}')
        found["images"] = [text("images", image) for image in images]
    if found.get("label_tag") is not None:
        text("label_tag", found["label_tag"])
    wanted = truth("multi_gpu", found["multi_gpu"]) if found.get("multi_gpu") is not None else True
    found["multi_gpu"] = wanted and torch.cuda.device_count() > 0
    return found
