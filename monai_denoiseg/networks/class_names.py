"""Names of semantic classes, as a tensor that travels in a state dict."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_classes(classes: Sequence[str] | None) -> list[str]:
    """Return the class names as a list, empty in instance mode.

    Args:
        classes: names in the order of the label values, background first; None (or nothing) is the instance mode.

    Raises:
        ValueError: when there is one name only, a name is empty, holds a line break or occurs twice.
        TypeError: when ``classes`` is no list of texts.

    >>> check_classes(["background", "liver"]), check_classes(None)
    (['background', 'liver'], [])
    >>> check_classes(["liver"])
    Traceback (most recent call last):
        ...
    ValueError: `classes` needs the background and at least one more name, got ['liver']; for instance ['background', 'liver']
    """
    if classes is None:
        return []
    if isinstance(classes, str) or not isinstance(classes, Sequence) or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"`classes` must be a list of names such as ['background', 'liver'], got {classes!r}")
    names = list(classes)
    if len(names) == 1:
        example = f"for instance ['background', {names[0]!r}]"
        raise ValueError(f"`classes` needs the background and at least one more name, got {names}; {example}")
    wrong = [name for name in names if not name.strip() or "\n" in name]
    if wrong:
        raise ValueError(f"`classes` holds the name {wrong[0]!r}; give every class a name on one line")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"`classes` holds {', '.join(twice)} twice; every class needs a name of its own")
    return names


def encode_names(names: Sequence[str]) -> Tensor:
    """Write names as UTF-8 bytes, one name a line.

    Args:
        names: as returned by :func:`check_classes`.

    Returns:
        uint8 ``(n_bytes,)``, empty for no names.

    >>> encode_names(["a", "b"]).tolist()
    [97, 10, 98]
    """
    return torch.tensor(list("\n".join(names).encode()), dtype=torch.uint8)


def decode_names(encoded: Tensor) -> list[str]:
    """Read names back from :func:`encode_names`.

    Args:
        encoded: uint8 ``(n_bytes,)``.

    >>> decode_names(encode_names(["background", "Gefäß"]))
    ['background', 'Gefäß']
    """
    text = bytes(encoded.to(torch.uint8).tolist()).decode()
    return text.split("\n") if text else []
