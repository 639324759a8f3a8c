"""What was typed after ``python -m monai.bundle run``, before it was read as numbers and lists."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def typed_words(argv: Sequence[str] | None = None) -> dict[str, str]:
    """Words of the command line by key; none where another program runs.

    MONAI's command line makes the number 2024 of a folder called ``2024``, and ``plate::1`` of ``plate#1``.

    Args:
        argv: the command line, the program first; None for that of this process.

    >>> typed_words(["/venv/monai/bundle/__main__.py", "run", "--dataset-dir", "2024", "--seed=3"])
    {'dataset_dir': '2024', 'seed': '3'}
    >>> typed_words(["monai-denoiseg", "train", "--seed", "3"])
    {}
    """
    program, *words = sys.argv if argv is None else argv
    if Path(program).parts[-3:] != ("monai", "bundle", "__main__.py"):
        return {}
    found: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        if not word.startswith("--"):
            continue
        key, equals, value = word[2:].partition("=")
        if equals or not following.startswith("--"):
            found[key.replace("-", "_")] = value if equals else following
    return found
