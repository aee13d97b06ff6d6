"""The Inception network of published Fréchet distances: torch-fidelity's blocks and layer names.

It is built from torch-fidelity's blocks instead of its ``FeatureExtractorInceptionV3``. That class opens its weights
as a pickle, which may run code, resizes the whole batch at once, and runs every normalisation as a separate pass.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.errors import StageError

SIZE = 299
MISSING = "inception-v3 needs torch-fidelity, which is not installed: pip install 'remote-sensing-harness[fidelity]'"


class Inception(nn.Module):
    """TensorFlow's Inception-v3 of December 2015, with 1008 logits.

    Args:
        layer: the layer whose output is used (``families.INCEPTION_LAYERS``).

    Raises:
        StageError: torch-fidelity is not installed.
    """

    def __init__(self, layer: str) -> None:
        super().__init__()
        try:
            from torch_fidelity import feature_extractor_inceptionv3 as blocks
        except ImportError:
            raise StageError(MISSING) from None
        self.layer = layer
        self.Conv2d_1a_3x3 = blocks.BasicConv2d(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = blocks.BasicConv2d(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = blocks.BasicConv2d(32, 64, kernel_size=3, padding=1)
        self.MaxPool_1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = blocks.BasicConv2d(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = blocks.BasicConv2d(80, 192, kernel_size=3)
        self.MaxPool_2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = blocks.InceptionA(192, pool_features=32)
        self.Mixed_5c = blocks.InceptionA(256, pool_features=64)
        self.Mixed_5d = blocks.InceptionA(288, pool_features=64)
        self.Mixed_6a = blocks.InceptionB(288)
        self.Mixed_6b = blocks.InceptionC(768, channels_7x7=128)
        self.Mixed_6c = blocks.InceptionC(768, channels_7x7=160)
        self.Mixed_6d = blocks.InceptionC(768, channels_7x7=160)
        self.Mixed_6e = blocks.InceptionC(768, channels_7x7=192)
        self.Mixed_7a = blocks.InceptionD(768)
        self.Mixed_7b = blocks.InceptionE_1(1280)
        self.Mixed_7c = blocks.InceptionE_2(2048)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 299, 299) of (value − 128) / 128 to (N, D)."""
        last = {"64": "MaxPool_1", "192": "MaxPool_2", "768": "Mixed_6e"}.get(self.layer, "Mixed_7c")
        for name, block in self.named_children():
            x = block(x)
            if name == last:
                break
        x = x.mean(dim=(2, 3))
        if not self.layer.startswith("logits"):
            return x
        bias = self.fc.bias if self.layer == "logits" else None
        return nn.functional.linear(x, self.fc.weight, bias)


def fuse(network: Inception) -> None:
    """Fold every batch normalisation into the convolution before it, which saves a third of the passes over memory.

    The result is equal up to rounding. For inference only.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d

    for block in [module for module in network.modules() if isinstance(module, BasicConv2d)]:
        block.conv = torch.nn.utils.fuse_conv_bn_eval(block.conv, block.bn)
        block.bn = nn.Identity()
