"""The few values every room of the package agrees on."""

from __future__ import annotations

IGNORE = -1
"""Label value of a voxel nobody annotated. Files may say it differently (see ``data.FileReader``); in memory it is always -1."""

CLASSES = ("background", "foreground", "border")
"""Class names in channel order: channel index of the network output == label value."""

BACKGROUND, FOREGROUND, BORDER = range(3)
