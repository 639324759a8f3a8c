"""Tiles of any image: what the network is shown, and where its result goes; objects found by tiles are those of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_images import probabilities

from monai_denoiseg.engines.inferer import tiles
from monai_denoiseg.transforms.instances import instances_by_tiles, instances_from_foreground

axis = st.tuples(st.integers(1, 40), st.integers(1, 24), st.integers(0, 12), st.sampled_from([1, 2, 4, 8]))
"""Size, edge of the tiles, halo and down-sampling factor of one axis."""


def up(value: int, step: int) -> int:
    while value % step:
        value += 1
    return value


@given(st.lists(axis, min_size=1, max_size=3), st.booleans())
def test_tiles(axes: list[tuple[int, int, int, int]], reversible: bool) -> None:
    size, edge, halo, multiple = zip(*axes, strict=True)
    covered = np.zeros(size, int)
    starts = []
    for tile in tiles(size, edge, halo, multiple, reversible=reversible):
        covered[tile.core] += 1
        starts.append([span.start for span in tile.core])
        spans = zip(tile.window, tile.core, tile.inner, axes, strict=True)
        for window, core, inner, (n, length, margin, step) in spans:
            assert 0 <= window.start <= core.start < core.stop <= window.stop <= n
            assert (inner.start, inner.stop) == (core.start - window.start, core.stop - window.start)
            assert core.stop - core.start <= up(length, step), "no tile is larger than asked for"
            assert core.start % step == window.start % step == 0, "pooled on the grid of the whole image"
            assert window.stop == n or ((n - window.stop) if reversible else window.stop) % step == 0
            assert window.start <= max(0, core.start - margin), "the halo is there, or the image ends"
            assert window.stop >= min(n, core.stop + margin)
            assert window.stop - window.start <= up(length, step) + 2 * up(margin, step) + step, "and no more than that"
    assert (covered == 1).all(), "each voxel is predicted once"
    assert starts == sorted(starts), "the last axis runs fastest"


@given(
    probabilities(),
    st.lists(st.integers(1, 5), min_size=3, max_size=3),
    st.sampled_from([0.25, 0.5, 0.7]),
    st.sampled_from(["grow", "paper"]),
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from([0.0, 0.7, 0.95]),
    st.integers(1, 2),
)
def test_objects_by_tiles_are_those_of_the_whole_image(
    images: tuple[np.ndarray, np.ndarray],
    edges: list[int],
    threshold: float,
    rule: str,
    min_size: int,
    fill_holes: bool,
    neck: float,
    connectivity: int,
) -> None:
    foreground, border = images
    options: dict[str, Any] = {"rule": rule, "min_size": min_size, "fill_holes": fill_holes, "connectivity": connectivity}
    options["split_neck"] = neck
    whole = instances_from_foreground(foreground, border, threshold, **options)
    edge = edges[: foreground.ndim]
    tiled = instances_by_tiles(foreground, border, threshold, tile_size=edge, overlap=max(foreground.shape), **options)
    np.testing.assert_array_equal(tiled, whole)


@given(probabilities(), st.integers(1, 5), st.integers(0, 5), st.integers(1, 2))
def test_the_plain_rule_needs_no_overlap(
    images: tuple[np.ndarray, np.ndarray], edge: int, min_size: int, connectivity: int
) -> None:
    options: dict[str, Any] = {"rule": "paper", "min_size": min_size, "connectivity": connectivity}
    whole = instances_from_foreground(*images, 0.5, **options)
    np.testing.assert_array_equal(instances_by_tiles(*images, 0.5, tile_size=edge, overlap=0, **options), whole)
