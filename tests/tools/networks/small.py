"""Blocks of known architectures, as small as they are still themselves: inputs of 16×16, few channels."""

from collections.abc import Callable

import timm.models as tm
import torchvision.models as tv
from timm.models.swin_transformer import PatchMerging, SwinTransformerBlock
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.densenet import DenseNet
from torchvision.models.efficientnet import MBConvConfig
from torchvision.models.googlenet import Inception
from torchvision.models.mobilenetv3 import InvertedResidualConfig

SIZE = 16
CLASSES = 10


class EarlyInception(nn.Module):
    """What GoogLeNet has beside its inception modules: local response normalisation, pools whose last
    window hangs over the edge."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, stride=1, padding=2)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.normalized = nn.LocalResponseNorm(5, alpha=0.1, beta=0.75, k=2.0)
        self.inception = Inception(8, 4, 4, 8, 2, 4, 4)
        self.average = nn.AvgPool2d(3, stride=2, ceil_mode=True, count_include_pad=False)
        self.head = nn.Linear(20 * 4 * 4, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        early = self.normalized(self.pool(self.first(images).relu()))
        return self.head(self.average(self.inception(early)).flatten(1))


class Windows(nn.Module):
    """Of Swin, as timm writes it, what is new in it: shifted windows with masks, and merging."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, stride=2)
        self.shifted = SwinTransformerBlock(8, (8, 8), 2, window_size=4, shift_size=2, mlp_ratio=2.0)
        self.merging = PatchMerging(8)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        tokens = self.patches(images).permute(0, 2, 3, 1)
        return self.head(self.merging(self.shifted(tokens)).mean((1, 2)))


def _convnext() -> nn.Module:
    return tv.ConvNeXt([CNBlockConfig(8, 12, 1), CNBlockConfig(12, None, 1)], num_classes=CLASSES)


def _densenet() -> nn.Module:
    return DenseNet(4, (2, 2), 8, bn_size=2, num_classes=CLASSES)


def _shufflenet() -> nn.Module:
    return tv.ShuffleNetV2([2, 1, 1], [4, 8, 12, 16, 24], num_classes=CLASSES)


def _mobilenet_v3() -> nn.Module:
    setting = [
        InvertedResidualConfig(8, 3, 8, 8, True, "RE", 1, 1, 1.0),
        InvertedResidualConfig(8, 5, 16, 12, True, "HS", 2, 1, 1.0),
        InvertedResidualConfig(12, 3, 16, 12, False, "HS", 1, 1, 1.0),
    ]
    return tv.MobileNetV3(setting, last_channel=24, num_classes=CLASSES)


def _efficientnet() -> nn.Module:
    setting = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(2, 5, 2, 8, 12, 2)]
    return tv.EfficientNet(setting, dropout=0.0, last_channel=24, num_classes=CLASSES)


def _vit() -> nn.Module:
    return tv.VisionTransformer(SIZE, 4, 2, 2, 16, 32, num_classes=CLASSES)


def _deit() -> nn.Module:
    sizes = {"img_size": SIZE, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2}
    return tm.VisionTransformerDistilled(num_classes=CLASSES, **sizes)


# Name → what builds it, and what a wrong answer would be due to.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "convnext": (
        _convnext,
        "LayerNorm over the last axis of a transposed image, Linear as MatMul, erf Gelu, layer scale",
    ),
    "deit": (_deit, "two tokens before the patches, queries, keys and values in one, two heads averaged"),
    "densenet": (_densenet, "BatchNormalization and Relu in front of convolutions, features joined again and again"),
    "efficientnet": (_efficientnet, "Swish, squeeze and excitation"),
    "googlenet": (EarlyInception, "LRN, pools with ceil_mode, four branches joined"),
    "mobilenet_v3": (_mobilenet_v3, "HardSwish, squeeze and excitation with HardSigmoid"),
    "shufflenet": (_shufflenet, "channels split, shuffled by Reshape and Transpose with an open batch"),
    "swin": (Windows, "windows cut by Reshape, rolled and masked; patches merged; a mean of NHWC"),
    "vit": (_vit, "nn.MultiheadAttention, class token, places"),
}
