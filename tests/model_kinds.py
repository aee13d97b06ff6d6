"""Tiny models of forty kinds with random weights, as ``save_pretrained`` of their libraries writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

TEXT: dict[str, Any] = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
VISION: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
STAGES: dict[str, Any] = {"hidden_sizes": [16, 32], "depths": [1, 1]}
T5: dict[str, Any] = {
    "vocab_size": 300, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4,
    "decoder_start_token_id": 0,
}  # fmt: skip
SEQUENCES: dict[str, Any] = {
    "vocab_size": 300, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64,
    "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": 0,
}  # fmt: skip
SPEECH: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
    "conv_dim": [16, 16], "conv_stride": [5, 2], "conv_kernel": [10, 3], "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
GPT: dict[str, Any] = {
    "vocab_size": 300,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
}

CAUSAL: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", GPT),
    "gpt_neox": ("GPTNeoXForCausalLM", TEXT),
    "opt": ("OPTForCausalLM", {
        "vocab_size": 300, "hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 64,
        "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
    }),
    "llama": ("LlamaForCausalLM", {**TEXT, "num_key_value_heads": 2}),
    "mistral": ("MistralForCausalLM", {**TEXT, "num_key_value_heads": 2}),
    "qwen2": ("Qwen2ForCausalLM", {**TEXT, "num_key_value_heads": 2}),
    "phi": ("PhiForCausalLM", TEXT),
    "mixtral": ("MixtralForCausalLM", {**TEXT, "num_key_value_heads": 2, "num_local_experts": 4}),
    "bloom": ("BloomForCausalLM", {
        "vocab_size": 300, "hidden_size": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 0, "eos_token_id": 0,
    }),
    "mpt": ("MptForCausalLM", {
        "vocab_size": 300, "d_model": 32, "n_layers": 2, "n_heads": 4, "expansion_ratio": 2, "max_seq_len": 64,
    }),
    "mamba": ("MambaForCausalLM", {
        "vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8,
        "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
    }),
    "bert_decoder": ("BertLMHeadModel", {**TEXT, "is_decoder": True}),
}  # fmt: skip
"""Language models that read left to right, by a name: their class, and what differs from its configuration's."""

LOOKING_AHEAD: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertForMaskedLM", TEXT),
    "roberta": ("RobertaForMaskedLM", {**TEXT, "max_position_embeddings": 66}),
    "xlm_roberta": ("XLMRobertaForMaskedLM", {**TEXT, "max_position_embeddings": 66}),
    "electra": ("ElectraForCausalLM", {**TEXT, "embedding_size": 32}),
    "roformer": ("RoFormerForMaskedLM", {**TEXT, "embedding_size": 32}),
    "camembert": ("CamembertForMaskedLM", {**TEXT, "max_position_embeddings": 66}),
    "xlnet": ("XLNetLMHeadModel", {
        "vocab_size": 300, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64,
        "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
    }),
}  # fmt: skip
"""Models with a language model's head that see the whole text."""

TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "distilbert": ("DistilBertModel", {
        "vocab_size": 300, "dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4,
        "max_position_embeddings": 64,
    }),
    "mpnet": ("MPNetModel", TEXT),
    "deberta_v2": ("DebertaV2Model", TEXT),
    "t5": ("T5ForConditionalGeneration", T5),
    "bart": ("BartForConditionalGeneration", SEQUENCES),
    "bert_classes": ("BertForSequenceClassification", TEXT),
    "clip_text": ("CLIPTextModel", {**TEXT, "projection_dim": 32}),
}  # fmt: skip
"""Models of texts that are no language models."""

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("ViTModel", VISION),
    "vit_classes": ("ViTForImageClassification", VISION),
    "vit_mae": ("ViTMAEModel", VISION),
    "vit_mae_training": ("ViTMAEForPreTraining", {
        **VISION, "decoder_hidden_size": 32, "decoder_intermediate_size": 64, "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 4,
    }),
    "dinov2": ("Dinov2Model", {**VISION, "mlp_ratio": 2}),
    "beit": ("BeitModel", VISION),
    "deit": ("DeiTModel", VISION),
    "swin": ("SwinModel", {
        "image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2],
        "window_size": 4,
    }),
    "convnext": ("ConvNextModel", {**STAGES, "num_stages": 2}),
    "resnet": ("ResNetModel", {**STAGES, "embedding_size": 16, "layer_type": "basic"}),
    "segformer": ("SegformerModel", {
        "num_encoder_blocks": 2, "depths": [1, 1], "sr_ratios": [4, 2], "hidden_sizes": [16, 32],
        "patch_sizes": [7, 3], "strides": [4, 2], "num_attention_heads": [1, 2], "mlp_ratios": [2, 2],
    }),
    "clip_vision": ("CLIPVisionModel", {**VISION, "projection_dim": 32}),
}  # fmt: skip
"""Models of pictures."""

OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec2": ("Wav2Vec2Model", SPEECH),
    "whisper": ("WhisperForConditionalGeneration", {
        **SEQUENCES, "num_mel_bins": 16, "max_source_positions": 64, "max_target_positions": 64,
    }),
    "clip": ("CLIPModel", {
        "text_config": {**TEXT, "projection_dim": 32}, "vision_config": {**VISION, "projection_dim": 32},
        "projection_dim": 32,
    }),
    "siglip": ("SiglipModel", {"text_config": TEXT, "vision_config": VISION}),
    "time_series": ("TimeSeriesTransformerModel", {
        "prediction_length": 4, "context_length": 8, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "lags_sequence": [1, 2],
    }),
}  # fmt: skip
"""Models of sound, of numbers, and of pictures with texts."""

OF_TRANSFORMERS = {**CAUSAL, **LOOKING_AHEAD, **TEXTS, **PICTURES, **OTHERS}


def _of_transformers(class_name: str, settings: dict[str, Any]) -> Any:
    import transformers

    kind: Any = getattr(transformers, class_name)
    return kind(kind.config_class(**settings))


def _unet() -> Any:
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip


def _autoencoder() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, sample_size=8)


def _pipeline() -> Any:
    from diffusers import DDPMPipeline, DDPMScheduler

    return DDPMPipeline(_unet(), DDPMScheduler())


OF_DIFFUSERS: dict[str, Callable[[], Any]] = {
    "unet": _unet,
    "autoencoder": _autoencoder,
    "ddpm_pipeline": _pipeline,
}

KINDS = (*OF_TRANSFORMERS, *OF_DIFFUSERS)


def saved(kind: str, folder: Path) -> Path:
    """A model of a kind in a folder of its own, with a tokenizer or a processor where its kind has one."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        if kind in OF_DIFFUSERS:
            OF_DIFFUSERS[kind]().save_pretrained(folder)
            return folder
        network = _of_transformers(*OF_TRANSFORMERS[kind])
    network.save_pretrained(folder)
    if kind in PICTURES or kind in ("clip", "siglip"):
        picture_processor(kind == "siglip").save_pretrained(folder)
    if kind not in PICTURES and kind not in ("wav2vec2", "time_series"):
        words().save_pretrained(folder)
    return folder


def picture_processor(whole: bool) -> Any:
    """A processor that resizes, and crops unless ``whole``."""
    from transformers import CLIPImageProcessor, ViTImageProcessor

    if whole:
        return ViTImageProcessor(size={"height": 32, "width": 32})
    return CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def words() -> Any:
    """A byte-level tokenizer whose only special token, 0, begins and ends texts."""
    from harness.stages.systems.language_model.checks import learn

    made = learn(["a lake, a river and a field of wheat"], vocabulary=270, context=64)
    made.pad_token = made.eos_token
    return made
