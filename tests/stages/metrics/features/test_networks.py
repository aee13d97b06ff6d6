"""Networks give the features before their last layer, and take no weights that are not theirs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from rounding import assert_same
from safetensors.torch import load_file
from torch import nn

from harness.errors import StageError
from harness.stages.metrics.features.families import Architecture
from harness.stages.metrics.features.networks import build, feature_count, fill, own_view, save
from harness.stages.metrics.features.view import View

pytestmark = pytest.mark.numeric


def network(text: str) -> Any:
    return build(Architecture.from_text(text), None)


def batch(size: int = 64, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "densenet121"])
def test_torchvision_s_last_layer_makes_logits_of_the_features(name: str) -> None:
    from torchvision import models

    whole = models.get_model(name).eval()
    head = [part for part in whole.modules() if isinstance(part, nn.Linear)][-1]
    ours = network(f"torchvision:{name}")
    fill(ours, whole.state_dict(), "weights")
    with torch.inference_mode():
        features = ours.module(batch())
        assert features.shape == (3, head.in_features)
        assert features.std() > 0
        assert_same(head(features), whole(batch()), terms=512 * 9, layers=121)


def test_squeezenet_s_features_are_the_mean_of_its_maps_with_real_weights() -> None:
    from torchvision import models

    mirror = os.environ.get("HARNESS_MIRROR")
    if mirror is None or not (Path(mirror) / "pytorch/squeezenet1_1").is_dir():
        pytest.skip("no mirror with pytorch/squeezenet1_1 (HARNESS_MIRROR)")
    state = load_file(Path(mirror) / "pytorch/squeezenet1_1/model.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    whole = models.squeezenet1_1().eval()
    whole.load_state_dict(state)
    ours = network("torchvision:squeezenet1_1")
    fill(ours, state, "weights")
    with torch.inference_mode():
        features, expected = ours.module(batch(224)), whole.features(batch(224)).mean(dim=(2, 3))
    assert features.dtype == torch.float32
    assert features.std() > 0.1
    assert_same(features, expected, terms=512 * 9, layers=18)


def test_timm_s_weights_may_have_a_head_of_any_classes() -> None:
    import timm

    whole = timm.create_model("resnet18", num_classes=30).eval()
    ours = network("timm:resnet18")
    fill(ours, whole.state_dict(), "weights")
    with torch.inference_mode():
        assert_same(whole.fc(ours.module(batch())), whole(batch()), terms=512 * 9, layers=18)


def test_timm_says_how_its_networks_have_pictures() -> None:
    """A vision transformer of augmented training has other means than ImageNet's, and sees more of a picture."""
    for name, mean, edge in (("resnet18", 0.485 * 255, 235), ("vit_tiny_patch16_224", 127.5, 248)):
        architecture = Architecture.from_text(f"timm:{name}")
        view = own_view(architecture, build(architecture, None).module, None, name)
        assert (view.size, view.edge) == (224, edge)
        assert view.mean[0] == pytest.approx(mean)


def test_a_tag_that_timm_has_not_is_one_line() -> None:
    with pytest.raises(StageError, match=r"timm:resnet18\.nix: .*tag"):
        network("timm:resnet18.nix")


def test_weights_of_another_network_are_refused() -> None:
    ours = network("torchvision:resnet18")
    state = dict(ours.module.state_dict())
    fill(ours, state, "weights")
    with pytest.raises(StageError, match=r"W does not fit: nothing for conv1\.weight \(1 layers\)"):
        fill(ours, {n: t for n, t in state.items() if n != "conv1.weight"}, "W")
    with pytest.raises(StageError, match=r"no place for conv9\.weight \(1 layers\)"):
        fill(ours, {**state, "conv9.weight": torch.zeros(1)}, "W")
    with pytest.raises(StageError, match=r"no place for conv1\.weight \(1 layers\)"):
        fill(ours, {**state, "conv1.weight": torch.zeros(64, 4, 7, 7)}, "W")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    module = network("torchvision:squeezenet1_1").module
    with torch.no_grad():
        next(module.parameters())[0, 0, 0, 0] = torch.nan
    with pytest.raises(StageError, match=r"W: values that are not finite numbers in features\.0\.weight"):
        save(module, tmp_path, "W")
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_a_network_does_not_take_is_refused() -> None:
    module = network("torchvision:squeezenet1_1").module
    channels = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    assert feature_count(module, View(64, "pil-bicubic", *channels), "N") == 512
    with pytest.raises(StageError, match="N: no features of 8×8 pixels"):
        feature_count(module, View(8, "pil-bicubic", *channels), "N")
    with pytest.raises(StageError, match=r"N: features of shape \(3, 8, 8\), expected one vector per image"):
        feature_count(nn.Identity(), View(8, "pil-bicubic", *channels), "N")
