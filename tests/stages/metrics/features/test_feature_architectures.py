"""A network is named once, and a wrong name is refused before anything runs, with the nearest right one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.stages.metrics.features.families import Architecture, networks_of


def test_two_spellings_of_one_network_are_one() -> None:
    short, long = Architecture.from_text("inception-v3"), Architecture.from_text("inception-v3:2048")
    assert short == long
    assert short.to_key() == "inception-v3:2048"
    assert Architecture.from_text("transformers").to_key() == "transformers:pooled"
    assert Architecture.from_text(short.text) == short


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inception-v3:2084", "has no layer '2084', only 2048, 768, .*; did you mean '2048'?"),
        ("inception-v3:", "has no layer ''"),
        ("inception", "expected one of inception-v3, .*; did you mean 'inception-v3'?"),
        (
            "torchvision:squeezenet1_2",
            "torchvision has no network 'squeezenet1_2'; did you mean 'squeezenet1_1'?",
        ),
        (
            "torchvision:resnet18.a1_in1k",
            "torchvision has no network 'resnet18.a1_in1k'; did you mean 'resnet18'?",
        ),
        ("torchvision", "torchvision has no network ''"),
        ("torchvision:fasterrcnn_resnet50_fpn", "torchvision has no network"),
        ("timm:resnet19", "timm has no network 'resnet19'; did you mean 'resnet1"),
        ("resnet50", "did you mean 'torchvision:resnet50'?"),
        ("resnetv2_50", "did you mean 'timm:resnetv2_50'?"),
        ("transformers:pooler", "transformers has no layer 'pooler', only .*; did you mean 'pooled'?"),
        ("clip", "'clip': expected one of"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected.replace("?", r"\?")):
        Architecture.from_text(text)


def test_a_tag_of_timm_is_part_of_the_name() -> None:
    assert Architecture.from_text("timm:resnet18.a1_in1k").name == "resnet18.a1_in1k"


@pytest.mark.slow
def test_the_names_are_those_that_the_packages_know() -> None:
    import timm
    from torchvision import models

    assert networks_of("torchvision") == set(models.list_models(module=models))
    assert networks_of("timm") == set(timm.list_models())


def test_a_name_is_checked_without_importing_the_package() -> None:
    script = (
        "import sys; from harness.stages.metrics import features; "
        "from harness.stages.metrics.features.families import Architecture as A; "
        "A.from_text('timm:resnet18'); A.from_text('torchvision:resnet18'); "
        "print(sorted({'torch', 'timm', 'torchvision', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
