"""Flips and quarter turns that map the voxel grid onto itself: the 8-fold augmentation of the paper, and its 3D relatives.

An orientation is one integer ``k``: ``k % 2**n`` says which of the ``n`` spatial axes are flipped, ``k // 2**n`` how the axes are
exchanged before that (0 not at all, 1 Y with X, 2 to 5 the permutations that move Z). ``k = 0`` changes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform, RandomizableTransform
from monai.utils import TransformBackends

from monai_denoiseg.checks import check_range
from monai_denoiseg.transforms.conventions import sample_shape

__all__ = ["RandOrient", "RandOrientd", "n_orientations", "orient", "orient_inverse", "same_spacing"]

# Exchanges of the axes, those that keep Z in place first, so that a smaller group is a prefix of the larger one.
_EXCHANGES = {
    2: ((0, 1), (1, 0)),
    3: ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)),
}
_ALIKE = 1.05  # voxel sizes within 5 % count as equal


def same_spacing(spacing: Sequence[float] | torch.Tensor | None, isotropic: bool = False) -> bool:
    """Whether Y and X may be exchanged without deforming anything: their voxel sizes differ by 5 % at most.

    Args:
        spacing: voxel size along each axis (``[Z,] Y, X``); None or NaN (unknown) counts as equal.
        isotropic: ask this of all axes.

    >>> same_spacing([2.0, 0.5, 0.51]), same_spacing([2.0, 0.5, 0.6]), same_spacing([2.0, 0.5, 0.5], isotropic=True)
    (True, False, False)
    """
    sizes = [] if spacing is None else [float(size) for size in spacing][0 if isotropic else -2 :]
    return not sizes or not max(sizes) > min(sizes) * _ALIKE


def n_orientations(spatial_dims: int, square: bool, isotropic: bool = False) -> int:
    """Count the orientations that keep the shape: ``range`` of it enumerates them.

    Args:
        spatial_dims: 2 or 3.
        square: whether the axes to exchange have the same length (and voxel size, see :func:`same_spacing`): Y and X, or all
            three when ``isotropic``.
        isotropic: 3D only: whether Z may be exchanged with Y and X.

    Returns:
        2D: 8, or 4 if not square. 3D: 16 (all flips, quarter turns in the YX plane), 8 if not square, 48 for isotropic cubes.

    Raises:
        ValueError: when ``spatial_dims`` is neither 2 nor 3.

    >>> n_orientations(2, True), n_orientations(2, False), n_orientations(3, True), n_orientations(3, True, isotropic=True)
    (8, 4, 16, 48)
    """
    if spatial_dims not in _EXCHANGES:
        raise ValueError(f"`spatial_dims` must be 2 or 3, got {spatial_dims!r}")
    exchanges = (len(_EXCHANGES[spatial_dims]) if isotropic else 2) if square else 1
    return exchanges << spatial_dims


def orient(x: NdarrayOrTensor, k: int, spatial_dims: int) -> NdarrayOrTensor:
    """Bring the last ``spatial_dims`` axes of ``x`` into orientation ``k``.

    Args:
        x: ``(..., [D,] H, W)``, array or tensor. Unequal axes are allowed; exchanging them changes the shape.
        k: orientation, 0 for none.
        spatial_dims: 2 or 3.

    Returns:
        The oriented array or tensor, possibly a view of ``x``.

    Raises:
        ValueError: when ``k`` is no orientation.

    >>> orient(torch.tensor([[0, 1], [2, 3]]), 1, 2).tolist(), orient(torch.tensor([[0, 1], [2, 3]]), 4, 2).tolist()
    ([[2, 3], [0, 1]], [[0, 2], [1, 3]])
    """
    axes, flips = _decode(k, spatial_dims)
    return _flip(_exchange(x, axes), flips)


def orient_inverse(x: NdarrayOrTensor, k: int, spatial_dims: int) -> NdarrayOrTensor:
    """Undo :func:`orient`.

    Args:
        x: what ``orient(…, k, spatial_dims)`` returned, or any ``(..., [D,] H, W)`` computed from it.
        k: the orientation to undo.
        spatial_dims: 2 or 3.

    Raises:
        ValueError: when ``k`` is no orientation.

    >>> x = torch.arange(6).reshape(1, 2, 3)
    >>> all(torch.equal(orient_inverse(orient(x, k, 2), k, 2), x) for k in range(8))
    True
    """
    axes, flips = _decode(k, spatial_dims)
    return _exchange(_flip(x, flips), tuple(axes.index(axis) for axis in range(spatial_dims)))


class RandOrient(RandomizableTransform, InvertibleTransform):
    """Draw one of the orientations that keep the shape, with equal probability (DenoiSeg, 2020: 8-fold).

    2D: 8 (4 for non-square images). 3D: flips of all axes and quarter turns in the YX plane, 16 (8 if Y and X differ); all 48 for
    cubes of isotropic voxels. Axes whose voxel sizes differ are not exchanged. The draw uses torch's global generator, so
    restoring ``torch.get_rng_state`` replays it and DataLoader workers differ; after :meth:`set_random_state` (which MONAI's own
    DataLoader calls) it uses the private ``R``, as every MONAI transform does. A MetaTensor's affine is kept right and the draw
    can be undone with :meth:`inverse`; others carry no trace: see :func:`orient_inverse` and :attr:`orientation`.

    Args:
        spatial_dims: 2 or 3.
        isotropic: whether Z may be exchanged with Y and X (3D, cubes only).
        prob: probability of a draw; otherwise the image stays as it is.
        quarter_turns: False only flips: for images whose noise has a direction (structN2V).

    Raises:
        ValueError: when ``spatial_dims`` is neither 2 nor 3 or ``prob`` outside [0, 1].

    >>> turn = RandOrient().set_random_state(seed=1)
    >>> y = turn(torch.arange(4).reshape(1, 2, 2))
    >>> orient_inverse(y, turn.orientation, 2).flatten().tolist()
    [0, 1, 2, 3]
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __init__(self, spatial_dims: int = 2, isotropic: bool = False, prob: float = 1.0, quarter_turns: bool = True) -> None:
        n_orientations(spatial_dims, True)
        RandomizableTransform.__init__(self, check_range("prob", prob, 0, 1))
        self.spatial_dims = spatial_dims
        self.isotropic = isotropic and quarter_turns
        self.quarter_turns = quarter_turns
        self.orientation = 0
        self._seeded = False

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandOrient:
        """Draw from a private generator from now on; without arguments, from torch's global one again."""
        super().set_random_state(seed, state)
        self._seeded = seed is not None or state is not None
        return self

    def randomize(self, data: NdarrayOrTensor, spacing: Sequence[float] | torch.Tensor | None = None) -> None:
        """Draw :attr:`orientation` for the shape of ``data``; always two numbers, so that ``prob`` does not shift later draws."""
        chance, choice = self.R.random_sample(2) if self._seeded else torch.rand(2, dtype=torch.float64).tolist()
        shape = data.shape[-self.spatial_dims :]
        square = self.quarter_turns and shape[-1] == shape[-2] and same_spacing(spacing)
        cube = self.isotropic and len(set(shape)) == 1 and same_spacing(spacing, isotropic=True)
        kept = self.allowed(n_orientations(self.spatial_dims, square, cube))
        self.orientation = kept[int(choice * len(kept))] if chance < self.prob else 0
        self._do_transform = self.orientation != 0

    def allowed(self, n: int) -> Sequence[int]:
        """Those of the first ``n`` orientations that may be drawn."""
        return range(n)

    def __call__(
        self, img: NdarrayOrTensor, randomize: bool = True, spacing: Sequence[float] | torch.Tensor | None = None
    ) -> NdarrayOrTensor:
        """Orient ``img``.

        Args:
            img: ``(C, [D,] H, W)``; numpy, torch or MetaTensor.
            randomize: draw anew, or else apply the last draw again.
            spacing: voxel size along each axis (``[Z,] Y, X``), if known.

        Returns:
            The same type and shape; a view of ``img`` if nothing changes.
        """
        sample_shape("img", img, spatial_dims=self.spatial_dims)
        if randomize:
            self.randomize(img, spacing)
        if not isinstance(img, MetaTensor):
            return orient(img, self.orientation, self.spatial_dims)
        out = MetaTensor(orient(img.as_tensor(), self.orientation, self.spatial_dims)).copy_meta_from(img)
        affine = _affine(self.orientation, out.shape[-self.spatial_dims :])
        return self.push_transform(out, orig_size=img.shape[1:], affine=affine, extra_info={"orientation": self.orientation})

    def inverse(self, data: MetaTensor) -> MetaTensor:
        """Undo the last application to ``data``.

        Raises:
            ValueError: when ``data`` carries no trace of this transform.
        """
        k = self.pop_transform(data)["extra_info"]["orientation"]
        affine = np.linalg.inv(_affine(k, data.shape[-self.spatial_dims :]))
        out = MetaTensor(orient_inverse(data.as_tensor(), k, self.spatial_dims)).copy_meta_from(data)
        with self.trace_transform(False):
            return self.push_transform(out, affine=affine)


class RandOrientd(RandomizableTransform, MapTransform, InvertibleTransform):
    """Dictionary version of :class:`RandOrient`: one draw for all keys.

    Args:
        keys: keys to orient in the same way; their spatial shapes must be equal.
        spatial_dims: 2 or 3.
        isotropic: see :class:`RandOrient`.
        prob: see :class:`RandOrient`.
        spacing_key: key of the voxel size, used if an item has it.
        allow_missing_keys: leave out keys that an item lacks.
        quarter_turns: see :class:`RandOrient`.

    >>> x = torch.rand(1, 8, 8)
    >>> item = RandOrientd(["image", "label"])({"image": x, "label": x})
    >>> torch.equal(item["image"], item["label"])
    True
    """

    backend = RandOrient.backend

    def __init__(
        self,
        keys: KeysCollection,
        spatial_dims: int = 2,
        isotropic: bool = False,
        prob: float = 1.0,
        spacing_key: str = "spacing",
        allow_missing_keys: bool = False,
        quarter_turns: bool = True,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.rand_orient = RandOrient(spatial_dims, isotropic, prob, quarter_turns)
        self.spacing_key = spacing_key

    @property
    def orientation(self) -> int:
        """The last draw."""
        return self.rand_orient.orientation

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandOrientd:
        """See :meth:`RandOrient.set_random_state`."""
        self.rand_orient.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with all keys in the same random orientation.

        Raises:
            ValueError: when the spatial shapes of the keys differ.
        """
        item, keys = dict(data), list(self.key_iterator(dict(data)))
        shapes = {key: sample_shape(str(key), item[key], spatial_dims=self.rand_orient.spatial_dims)[1:] for key in keys}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"all keys must have the same spatial shape, got {shapes}")
        for index, key in enumerate(keys):
            item[key] = self.rand_orient(item[key], index == 0, item.get(self.spacing_key))
        return item

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Undo the last application to the MetaTensors of ``data``.

        Raises:
            ValueError: when a value carries no trace of this transform.
        """
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.rand_orient.inverse(item[key])
        return item


def _decode(k: int, spatial_dims: int) -> tuple[tuple[int, ...], list[int]]:
    """Split ``k`` into the exchange of the axes and the list of flipped axes (counted from the end)."""
    exchange, bits = divmod(k, 2**spatial_dims)
    if not 0 <= exchange < len(_EXCHANGES[spatial_dims]):
        raise ValueError(f"`k` must be an orientation in [0, {n_orientations(spatial_dims, True, True)}), got {k!r}")
    return _EXCHANGES[spatial_dims][exchange], [axis - spatial_dims for axis in range(spatial_dims) if bits >> axis & 1]


def _exchange(x: NdarrayOrTensor, axes: tuple[int, ...]) -> NdarrayOrTensor:
    lead = x.ndim - len(axes)
    order = (*range(lead), *(lead + axis for axis in axes))
    return x.permute(order) if isinstance(x, torch.Tensor) else x.transpose(order)


def _flip(x: NdarrayOrTensor, axes: list[int]) -> NdarrayOrTensor:
    if not axes:
        return x
    return torch.flip(x, axes) if isinstance(x, torch.Tensor) else np.flip(x, tuple(axes))


def _affine(k: int, shape: tuple[int, ...]) -> np.ndarray:
    """Matrix from voxel coordinates of the oriented image (of spatial shape ``shape``) to those of the original."""
    axes, flips = _decode(k, len(shape))
    matrix = np.zeros((len(shape) + 1, len(shape) + 1))
    matrix[-1, -1] = 1
    for axis, source in enumerate(axes):
        flipped = axis - len(shape) in flips
        matrix[source, axis] = -1 if flipped else 1
        matrix[source, -1] = shape[axis] - 1 if flipped else 0
    return matrix
