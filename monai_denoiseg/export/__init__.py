"""Hand a trained network over to other programs: ONNX, TorchScript, bioimage.io, MONAI's model zoo."""

from monai_denoiseg.export.formats import FORMATS, export_model
from monai_denoiseg.export.module import ExportNet
from monai_denoiseg.export.onnx_file import onnx_bytes, read_card
from monai_denoiseg.export.runtime import RUNTIMES, OnnxNetwork, with_runtime
from monai_denoiseg.export.torchscript import torchscript_bytes

__all__ = [
    "FORMATS",
    "RUNTIMES",
    "ExportNet",
    "OnnxNetwork",
    "export_model",
    "onnx_bytes",
    "read_card",
    "torchscript_bytes",
    "with_runtime",
]
