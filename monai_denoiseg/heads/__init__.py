"""What a network predicts: one interface, one file for each kind."""

from monai_denoiseg.heads.blocks import label_rule, output_suffixes, random_orientation, relabel_with, target_label
from monai_denoiseg.heads.border import BorderHead
from monai_denoiseg.heads.classes import ClassHead, check_classes
from monai_denoiseg.heads.head import Head, ScoreChart
from monai_denoiseg.heads.none import NoHead
from monai_denoiseg.heads.registry import (
    HEADS,
    USER_HEADS,
    as_head,
    build_head,
    described_head,
    directions,
    head_class,
    head_from_state,
)
from monai_denoiseg.heads.rule import decision_overlap, decision_threshold, denoises, head_of, rule_of, usual_options
from monai_denoiseg.heads.softmax import SoftmaxActivation
from monai_denoiseg.heads.stars import StarHead

__all__ = [
    "HEADS",
    "USER_HEADS",
    "BorderHead",
    "ClassHead",
    "Head",
    "NoHead",
    "ScoreChart",
    "SoftmaxActivation",
    "StarHead",
    "as_head",
    "build_head",
    "check_classes",
    "decision_overlap",
    "decision_threshold",
    "denoises",
    "described_head",
    "directions",
    "head_class",
    "head_from_state",
    "head_of",
    "label_rule",
    "output_suffixes",
    "random_orientation",
    "relabel_with",
    "rule_of",
    "target_label",
    "usual_options",
]
