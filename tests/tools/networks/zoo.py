"""The networks that people bring, in their full size."""

from collections.abc import Callable

import timm
import torchvision.models as tv
from torch import nn

# Name → (what builds it, side of its input). timm has what torchvision lacks, and writes attention
# and windows in another way.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "alexnet": (tv.alexnet, 224),
    "vgg16": (tv.vgg16, 224),
    "resnet18": (tv.resnet18, 224),
    "resnet50": (tv.resnet50, 224),
    "densenet121": (tv.densenet121, 224),
    "shufflenet_v2_x1_0": (tv.shufflenet_v2_x1_0, 224),
    "googlenet": (lambda: tv.googlenet(aux_logits=False, init_weights=False), 224),
    "inception_v3": (lambda: tv.inception_v3(aux_logits=False, init_weights=False), 299),
    "squeezenet1_1": (tv.squeezenet1_1, 224),
    "mobilenet_v2": (tv.mobilenet_v2, 224),
    "mobilenet_v3_small": (tv.mobilenet_v3_small, 224),
    "mobilenet_v3_large": (tv.mobilenet_v3_large, 224),
    "efficientnet_b0": (tv.efficientnet_b0, 224),
    "efficientnet_lite0": (lambda: timm.create_model("efficientnet_lite0"), 224),
    "tf_efficientnet_lite0": (lambda: timm.create_model("tf_efficientnet_lite0"), 224),
    "convnext_tiny": (tv.convnext_tiny, 224),
    "timm_convnext_tiny": (lambda: timm.create_model("convnext_tiny"), 224),
    "vit_b_16": (tv.vit_b_16, 224),
    "vit_tiny": (lambda: timm.create_model("vit_tiny_patch16_224"), 224),
    "deit_tiny": (lambda: timm.create_model("deit_tiny_distilled_patch16_224"), 224),
    "swin_t": (tv.swin_t, 224),
    "timm_swin_tiny": (lambda: timm.create_model("swin_tiny_patch4_window7_224"), 224),
    "swin_v2_t": (tv.swin_v2_t, 256),
    "maxvit_t": (tv.maxvit_t, 224),
}
