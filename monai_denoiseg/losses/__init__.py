"""Losses: blind-spot error, partial cross entropy, and their joint sum."""

from .blindspot_loss import BlindSpotLoss
from .denoiseg_loss import DenoiSegLoss, JointLoss
from .partial_cross_entropy import PartialCrossEntropyLoss
from .star_loss import StarDistLoss

__all__ = ["BlindSpotLoss", "DenoiSegLoss", "JointLoss", "PartialCrossEntropyLoss", "StarDistLoss"]
