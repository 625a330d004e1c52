"""Small networks of other projects with random values, as safetensors files; needs spandrel."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn


def scunet() -> nn.Module:
    from spandrel.architectures.SCUNet import SCUNet

    return SCUNet(config=[1] * 7, dim=64)


def nafnet() -> nn.Module:
    from spandrel.architectures.NAFNet import NAFNet

    return NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1])


def drunet(channels: int = 3) -> nn.Module:
    from spandrel.architectures.DRUNet import DRUNet

    return DRUNet(in_nc=channels + 1, out_nc=channels, nc=[8, 8, 8, 8], nb=2)


def dncnn() -> nn.Module:
    from spandrel.architectures.DnCNN import DnCNN

    return DnCNN(in_nc=1, out_nc=1, nc=4, nb=17, act_mode="R")


def fbcnn() -> nn.Module:
    from spandrel.architectures.FBCNN import FBCNN

    return FBCNN(nc=[8, 8, 8, 512], nb=2)


def swinir() -> nn.Module:
    from spandrel.architectures.SwinIR import SwinIR

    return SwinIR(embed_dim=12, depths=[2, 2], num_heads=[2, 2], window_size=8, mlp_ratio=2.0)


def realplksr() -> nn.Module:
    from spandrel.architectures.PLKSR import RealPLKSR

    return RealPLKSR(dim=8, n_blocks=2, upscaling_factor=1, kernel_size=9)


def safmn() -> nn.Module:
    from spandrel.architectures.SAFMN import SAFMN

    return SAFMN(dim=8, n_blocks=2, upscaling_factor=1)


def compact() -> nn.Module:
    from spandrel.architectures.Compact import Compact

    return Compact(num_feat=4, num_conv=2, upscale=1)


def enlarging() -> nn.Module:
    from spandrel.architectures.Compact import Compact

    return Compact(num_feat=4, num_conv=2, upscale=2)


def lama() -> nn.Module:
    from spandrel.architectures.LaMa import LaMa

    return LaMa(in_nc=4, out_nc=3)


RESTORING: dict[str, Callable[[], nn.Module]] = {
    "SCUNet": scunet,
    "NAFNet": nafnet,
    "DRUNet": drunet,
    "DnCNN": dncnn,
    "SAFMN": safmn,
    "SwinIR": swinir,
    "PLKSR": realplksr,
    "Compact": compact,
}


def randomised(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network with random values, also where it would begin with zeros."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they use what torch is about to change
        torch.manual_seed(seed)
        network = make()
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if not value.any():
                scale = 3.0 if name.rpartition(".")[2] in ("beta", "gamma") else 0.02
                value.copy_(scale * torch.rand(value.shape, generator=draw))
    return network.eval()


def save(network: nn.Module, path: Path, **changes: Tensor) -> Path:
    """Write a network's tensors as other people do, without a header."""
    state: dict[str, Any] = {key: value.contiguous() for key, value in network.state_dict().items()}
    save_file(state | changes, path)
    return path


class Filler(nn.Module):
    """Three quarters where it is told that a pixel is missing, and black elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.filler = nn.Conv2d(4, 3, 1, bias=False)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        result: Tensor = self.filler(torch.cat([image, mask], 1))
        return result


def filler() -> Filler:
    made = Filler().eval()
    with torch.no_grad():
        made.filler.weight.zero_()
        made.filler.weight[:, 3] = 0.75
    return made


def with_filler() -> Any:
    """The registry of spandrel with one more architecture, which fills holes: LaMa has 200 MB."""
    from spandrel import MAIN_REGISTRY, Architecture, ArchSupport, MaskedImageModelDescriptor

    class FillerArch(Architecture[Filler]):
        def __init__(self) -> None:
            super().__init__(id="Filler", detect=lambda state: "filler.weight" in state)

        def load(self, state_dict: dict[str, Any]) -> Any:
            return MaskedImageModelDescriptor(
                Filler(), state_dict, self, "Inpainting", [], False, False, 3, 3
            )

    registry = MAIN_REGISTRY.copy()
    registry.add(ArchSupport.from_architecture(FillerArch()))
    return registry
