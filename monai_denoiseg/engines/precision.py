"""Mixed precision and memory format, decided once for CPU and CUDA alike (MONAI's engines switch AMP on for CUDA only)."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import check_option
from monai_denoiseg.memory import keep_freed_memory
from monai_denoiseg.processes import unwrap

OPTIONS = ("auto", "off", "bf16", "fp16")


def cpu_gains_from_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX).

    >>> isinstance(cpu_gains_from_bf16(), bool)
    True
    """
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe)()) for probe in probes if hasattr(torch.cpu, probe))


class Precision:
    """How a network is run on a device.

    Args:
        device: where the network runs.
        amp: ``"auto"`` (or True): bf16 where the processor gains from it; ``"off"`` (or False): float32; ``"bf16"``;
            ``"fp16"`` (CUDA only, with loss scaling).

    Attributes:
        dtype: ``torch.float32``, ``torch.bfloat16`` or ``torch.float16``.
        channels_last: whether network and images are laid out channels last; on together with mixed precision, and on a CPU for
            networks of volumes, whose steps then take three quarters of the time.
        scaler: gradient scaler for fp16, else None.

    Raises:
        ValueError: for an unknown option, or fp16 on a CPU.

    >>> Precision("cpu", "off").dtype
    torch.float32
    >>> Precision("cpu", "fp16")
    Traceback (most recent call last):
        ...
    ValueError: `amp`='fp16' needs a CUDA device, got 'cpu'; use 'bf16' or 'off'
    """

    def __init__(self, device: str | torch.device, amp: str | bool = "auto") -> None:
        self.device = torch.device(device)
        amp = {True: "auto", False: "off"}[amp] if isinstance(amp, bool) else check_option("amp", amp, OPTIONS)
        if amp == "fp16" and self.device.type != "cuda":
            raise ValueError(f"`amp`='fp16' needs a CUDA device, got {self.device.type!r}; use 'bf16' or 'off'")
        if amp == "auto":
            # is_bf16_supported() is True for emulation too, which is slower than float32.
            cuda = self.device.type == "cuda"
            gains = torch.cuda.get_device_capability(self.device) >= (8, 0) if cuda else cpu_gains_from_bf16()
            amp = "bf16" if gains and self.device.type in ("cpu", "cuda") else "off"
        self.dtype = {"off": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[amp]
        self.channels_last = amp != "off"
        self.scaler = torch.amp.GradScaler("cuda") if amp == "fp16" else None

    def prepare(self, network: nn.Module) -> nn.Module:
        """Move the network to the device, in the memory format that suits it.

        On a CPU the process also keeps the memory that a step frees, see :func:`~monai_denoiseg.memory.keep_freed_memory`.

        >>> Precision("cpu", "off").prepare(nn.Conv2d(1, 1, 3)).weight.device.type
        'cpu'
        """
        if self.device.type == "cpu":
            keep_freed_memory()
            self.channels_last |= any(isinstance(module, nn.Conv3d) for module in network.modules())
        network = network.to(self.device)
        if self.channels_last:
            for module in network.modules():
                if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                    module.to(memory_format=torch.channels_last if isinstance(module, nn.Conv2d) else torch.channels_last_3d)  # type: ignore[call-overload]
        return network

    def layout(self, image: Tensor) -> Tensor:
        """Lay a batch ``(B, C, [D,] H, W)`` out in the network's memory format."""
        if not self.channels_last or image.dim() not in (4, 5):
            return image
        return image.contiguous(memory_format=torch.channels_last if image.dim() == 4 else torch.channels_last_3d)

    def autocast(self, network: nn.Module | None = None, image: Tensor | None = None) -> AbstractContextManager[None]:
        """Context in which the network is run.

        Args:
            network: the network, to look at its levels; may be left out.
            image: the batch it is about to see, likewise.
        """
        enabled = self.dtype != torch.float32 and not (self.device.type == "cpu" and _meets_conv3d_fault(network, image))
        return torch.autocast(self.device.type, dtype=self.dtype if enabled else None, enabled=enabled)


def _meets_conv3d_fault(network: nn.Module | None, image: Tensor | None) -> bool:
    """Whether an axis of some level of the network is shorter than the kernel of its convolutions.

    torch 2.13 on CPU returns a wrong (or infinite) bf16 weight gradient of ``Conv3d`` where the first axis is shorter than the
    kernel: at a length of 2 for kernel 3, of 2 to 4 for kernel 5; at a length of 1 with one input channel even the result is
    wrong. Of the other axes only kernels of 5 and more are met. Kernels of 1 are safe. Such a batch is run in float32, the few
    harmless cases among them as well.
    """
    unet = getattr(unwrap(network), "unet", None)
    if unet is not None and not hasattr(unet, "kernels"):
        return True  # what a backbone of the user's does in bf16 nobody knows, and its last layer gives intensities
    if unet is None or image is None or image.dim() != 5:
        return False
    lengths = [-(-size // step) * step for size, step in zip(image.shape[2:], unet.multiple(), strict=True)]
    for strides, kernels in zip([*unet.strides, (1, 1, 1)], unet.kernels, strict=True):
        if any(length < kernel for length, kernel in zip(lengths, kernels, strict=True)):
            return True
        lengths = [length // stride for length, stride in zip(lengths, strides, strict=True)]
    return False
