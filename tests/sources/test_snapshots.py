"""What of a repository is downloaded: everything, but no second copies."""

from __future__ import annotations

from harness.sources.snapshots import needed

# The files of Stable Diffusion v1.5's repository.
PIPELINE = [
    ".gitattributes",
    "README.md",
    "model_index.json",
    "v1-inference.yaml",
    "v1-5-pruned.ckpt",
    "v1-5-pruned.safetensors",
    "v1-5-pruned-emaonly.ckpt",
    "v1-5-pruned-emaonly.safetensors",
    "feature_extractor/preprocessor_config.json",
    "scheduler/scheduler_config.json",
    "safety_checker/config.json",
    "safety_checker/model.safetensors",
    "safety_checker/pytorch_model.bin",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/pytorch_model.bin",
    "text_encoder/pytorch_model.fp16.bin",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.fp16.safetensors",
]


def test_of_a_pipeline_one_copy_of_each_network() -> None:
    weights = [n for n in needed(PIPELINE) if n.endswith((".safetensors", ".bin", ".ckpt"))]
    assert weights == [
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ]


def test_of_a_pipeline_all_that_is_no_weight() -> None:
    kept = needed(PIPELINE)
    assert {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt"} <= set(kept)
    assert not [n for n in kept if n.startswith(("safety_checker", "feature_extractor"))]


def test_a_variant_without_plain_weights_is_no_copy() -> None:
    names = [n for n in PIPELINE if n != "unet/diffusion_pytorch_model.safetensors"]
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in needed(names)


def test_what_is_no_pipeline_keeps_its_variants() -> None:
    names = ["config.json", "model.safetensors", "model.fp16.safetensors", "pytorch_model.bin"]
    assert needed(names) == ["config.json", "model.fp16.safetensors", "model.safetensors"]


def test_what_is_asked_for_is_brought() -> None:
    assert needed(PIPELINE, "v1-5-pruned.ckpt") == ["v1-5-pruned.ckpt"]
    assert "safety_checker/model.safetensors" in needed(PIPELINE, "safety_checker")


def test_of_a_language_model_one_copy_of_the_weights() -> None:
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    kept = [
        "config.json",
        "generation_config.json",
        *shards,
        "model.safetensors.index.json",
        "tokenizer.json",
    ]
    copies = [
        "consolidated.safetensors",
        "model.q4.gguf",
        "onnx/model.onnx",
        "original/consolidated.00.pth",
        "pytorch_model-00001-of-00002.bin",
        "tf_model.h5",
    ]
    assert needed([*kept, *copies]) == sorted(kept)


def test_the_only_weights_of_a_model_are_no_copy() -> None:
    for names in (
        ["config.json", "consolidated.safetensors"],
        ["config.json", "pytorch_model.bin", "x.gguf"],
    ):
        assert needed(names) == names
    adapter = ["adapter_config.json", "adapter_model.safetensors", "training.json"]
    assert needed([*adapter, "adapter_model.bin"]) == adapter


def test_of_a_sentence_transformers_model_all_that_says_how_to_embed() -> None:
    kept = [
        "1_Pooling/config.json",
        "2_Normalize/config.json",
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    copies = [
        "onnx/model.onnx",
        "openvino/openvino_model.bin",
        "pytorch_model.bin",
        "rust_model.ot",
        "tf_model.h5",
    ]
    assert needed([*kept, *copies]) == kept
