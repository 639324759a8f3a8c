"""A warning for images unlike those a network was trained on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.data.folder_files import first_names
from monai_denoiseg.data.volume_files import stored_directions
from monai_denoiseg.networks.domain import look, normalised, outside
from monai_denoiseg.processes import unwrap

logger = logging.getLogger(__name__)

NAMED = 5
"""Names in a warning."""


class DomainCheck:
    """Compare images with those the network was trained on, and warn of those that lie outside, in one line for all.

    A network whose file tells nothing of its training images (an older one) says nothing.

    Args:
        network: see :class:`~monai_denoiseg.networks.DenoiSegNet`.

    Example:
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> check = DomainCheck(DenoiSegNet(2, depth=1, features=4))
        >>> check.add("a.tif", torch.rand(1, 64, 64))
        >>> check.report()
        []
    """

    def __init__(self, network: Any) -> None:
        own = unwrap(network)
        self.network = getattr(own, "denoiser", own)  # of two stages the first one sees the image
        self.seen, self.outside, self.turned = 0, dict[str, str](), dict[str, str]()
        about = getattr(own, "training_info", None) or {}
        flips = getattr(self.network, "flips", True)
        self.directions = [] if flips else list(about.get("directions") or [])

    def add(self, name: str, image: Tensor) -> None:
        """Look at an image ``(C, [D,] H, W)`` in raw intensities."""
        if self._knows() or self.directions:
            with torch.no_grad():
                whole = image.detach().float().cpu()
                intensity = self.network.intensity(image[None].float())[0].cpu()
                self.add_windows(name, lambda place: whole[(slice(None), *place)], whole.shape[1:], intensity)

    def add_windows(
        self, name: str, read: Callable[[tuple[slice, ...]], Tensor], shape: tuple[int, ...], intensity: Tensor
    ) -> None:
        """Look at an image that is read by windows.

        Args:
            name: for the warning.
            read: gives a window ``(C, [D,] H, W)`` in raw intensities.
            shape: spatial shape of the image.
            intensity: ``(2, C)`` of the whole image.
        """
        found = stored_directions(name) if self.directions else None
        if found is not None and found not in self.directions:
            self.turned[name] = found
        domain = self._knows()
        if not domain:
            return
        figures = look(lambda place: normalised(read(place), intensity), shape, domain["window"])
        self.seen += 1
        distance, kind = outside(domain, figures)
        if distance > 1:
            self.outside[name] = kind

    def report(self) -> list[str]:
        """Warn of what was found since the last report; returns the names of the images outside."""
        if self.turned:
            logger.warning(
                "%d scans are stored in other directions (%s) than those of the training (%s), and this network, which was "
                "trained in one orientation, takes left for right or worse in %s: reorient them first, for instance with "
                "nibabel.as_closest_canonical, or train with --orientations turns",
                len(self.turned),
                ", ".join(sorted(set(self.turned.values()))),
                ", ".join(self.directions),
                first_names(list(self.turned)),
            )
            self.turned = {}
        names, seen, kinds = list(self.outside), self.seen, list(self.outside.values())
        self.seen, self.outside = 0, {}
        if names:
            listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
            logger.warning(
                "%d of %d images are unlike those the network was trained on, most in %s: %s; look at these results before you "
                "use them. A way out: give images as in training (not inverted, same exposure and zoom), or train on such images",
                len(names),
                seen,
                max(set(kinds), key=kinds.count),
                listed,
            )
        return names

    def _knows(self) -> dict[str, Any]:
        return getattr(self.network, "domain", None) or {}
