"""Colours that ImageJ and Fiji show a label image in."""

from __future__ import annotations

import colorsys
from functools import cache
from typing import Any

COLOR_MAP = 320
"""The TIFF tag of a table of colours."""


@cache
def label_colours() -> tuple[int, ...]:
    """Reds, greens and blues (0 to 65535) of 256 labels: black, then hues far from those before them.

    >>> len(label_colours()), label_colours()[0] + label_colours()[256] + label_colours()[512]
    (768, 0)
    """
    hues = [colorsys.hsv_to_rgb(number * 0.6180339887 % 1, 0.75, 1.0) for number in range(256)]
    return tuple(0 if not i else round(65535 * colour[channel]) for channel in range(3) for i, colour in enumerate(hues))


def shown_in_colours(options: dict[str, Any]) -> dict[str, Any]:
    """Let ImageJ show a stack of 16-bit labels in colours: the numbers stay as they are.

    ImageJ reads the table of colours of a grey image of 16 bits, if it has 256 entries, and shows with it the values between
    ``min`` and ``max`` (``ij.io.TiffDecoder``); to all other programs the image is grey.

    Args:
        options: arguments of ``tifffile.imwrite`` for an ImageJ file.

    Returns:
        The same with the colours; objects beyond number 255 have the last one.

    >>> shown_in_colours({"metadata": {"axes": "YX"}})["metadata"]
    {'axes': 'YX', 'min': 0, 'max': 255}
    """
    metadata = {**options["metadata"], "min": 0, "max": 255}
    return {**options, "metadata": metadata, "extratags": [(COLOR_MAP, "H", 768, label_colours(), True)]}
