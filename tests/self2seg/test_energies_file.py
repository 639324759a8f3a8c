from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from monai_denoiseg.self2seg.energies_file import energies_csv, energies_svg, lambda_path_csv
from monai_denoiseg.self2seg.path import LambdaPath
from monai_denoiseg.self2seg.result import EnergyRecord

SVG = "{http://www.w3.org/2000/svg}"


def records(n: int) -> list[EnergyRecord]:
    rng = np.random.default_rng(0)
    return [EnergyRecord(i + 1, 0.125, *(float(x) for x in rng.uniform(1, 9, 4)), 50 * i, 0.25, i / 3) for i in range(n)]


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_gives_back_the_records() -> None:
    given = records(3)
    table = read(energies_csv(given))
    assert [list(row) for row in table] == [list(given[0].row())] * 3
    for record, row in zip(given, table, strict=True):
        assert {key: float(value) for key, value in row.items()} == pytest.approx(record.row(), rel=1e-6)
        assert row["iterations"] == str(record.iterations)


def test_a_table_without_records_has_its_header() -> None:
    assert energies_csv([]).splitlines() == [energies_csv(records(1)).splitlines()[0]]


def test_the_curves_are_energy_residuals_and_weighted_boundary() -> None:
    given = records(4)
    root = ElementTree.fromstring(energies_svg(given, "a <b>.tif"))
    assert "a <b>.tif" in [text.text for text in root.iter(f"{SVG}text")]
    lines = [line.attrib["points"].split() for line in root.iter(f"{SVG}polyline")]
    heights = [np.array([point.split(",")[1] for point in line], float) for line in lines]
    wanted = [[r.energy for r in given], [r.fit for r in given], [r.lam * r.tv for r in given]]
    # All three lie on one axis: height falls linearly (or with the logarithm) as the value grows.
    values, places = np.concatenate(wanted), np.concatenate(heights)
    scaled = np.log(values) if values.max() / values.min() > 20 else values
    assert np.corrcoef(scaled, places)[0, 1] < -0.9999


@pytest.mark.parametrize("n", [0, 1])
def test_a_chart_of_hardly_anything(n: int) -> None:
    root = ElementTree.fromstring(energies_svg(records(n)))
    assert len(list(root.iter(f"{SVG}circle"))) == 3 * n


def test_the_path() -> None:
    labels = torch.tensor([[[0, 1, 2, 0]], [[0, 0, 0, 1]], [[0, 0, 0, 0]]])
    table = read(lambda_path_csv(LambdaPath([0.0, 0.3, 12.0], labels, [0.5, 0.25, 1e-9], 1)))
    assert [float(row["lam"]) for row in table] == [0.0, 0.3, 12.0]
    assert [float(row["score"]) for row in table] == [0.5, 0.25, 1e-9]
    assert [float(row["share"]) for row in table] == [0.5, 0.25, 0.0]
    assert [(row["channel"], row["chosen"]) for row in table] == [("1", "0"), ("2", "1"), ("3", "0")]
