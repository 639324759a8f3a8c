from __future__ import annotations

import pytest
import torch

from monai_denoiseg.self2seg.cnn_expert import Noise2FastExpert
from monai_denoiseg.self2seg.constant_expert import ConstantExpert
from monai_denoiseg.self2seg.experts import make_experts
from monai_denoiseg.self2seg.linear_expert import LinearExpert
from monai_denoiseg.self2seg.watch import Watch


def test_names_and_objects_in_their_order() -> None:
    made = make_experts(["linear", "constant", "noise2fast", LinearExpert(radius=3)])
    assert [type(expert) for expert in made] == [LinearExpert, ConstantExpert, Noise2FastExpert, LinearExpert]
    last = made[-1]
    assert isinstance(last, LinearExpert)
    assert last.radius == 3


def test_each_network_has_a_seed_of_its_own() -> None:
    made = make_experts(["noise2fast", "constant", "noise2fast"], seed=5, features=4)
    seeds = [expert.settings.seed for expert in made if isinstance(expert, Noise2FastExpert)]
    assert len(seeds) == len(set(seeds)) == 2
    assert seeds != [e.settings.seed for e in make_experts(["noise2fast"] * 2, seed=50) if isinstance(e, Noise2FastExpert)]


def test_options_reach_the_networks() -> None:
    expert = make_experts(["noise2fast", "constant"], features=4, warm=False, compare="denoised")[0]
    assert isinstance(expert, Noise2FastExpert)
    assert (expert.settings.features, expert.warm, expert.compare) == (4, False, "denoised")


def test_the_callers_object_learns_nothing() -> None:
    mine = LinearExpert(radius=1)
    made = make_experts([mine, mine])
    assert made[0] is not mine
    assert made[0] is not made[1]
    made[0].fit(torch.rand(1, 6, 6), torch.ones(6, 6), Watch())
    assert made[0].penalty > 0
    assert mine.penalty == made[1].penalty == 0


@pytest.mark.parametrize("experts", ["constant", [], ["constant"], {"a": "constant", "b": "linear"}])
def test_fewer_than_two_are_refused(experts: list[str]) -> None:
    with pytest.raises(ValueError, match="`experts` needs one expert for each of at least two regions"):
        make_experts(experts)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean 'linear'"):
        make_experts(["constant", "liner"])


@pytest.mark.parametrize("experts", [["constant"] * 2, ["noise2fast"] * 2])
def test_a_misspelt_option_is_refused(experts: list[str]) -> None:
    with pytest.raises(TypeError, match="`featurs`; did you mean 'features'"):
        make_experts(experts, featurs=4)
