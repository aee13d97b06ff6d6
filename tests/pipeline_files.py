"""Small real Stable Diffusion pipelines, in every form that they come in from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from harness.stages.systems.text_to_image.components import quiet

WEIGHTS = {
    "vae": "vae/diffusion_pytorch_model.safetensors",
    "unet": "unet/diffusion_pytorch_model.safetensors",
    "text_encoder": "text_encoder/model.safetensors",
}


def small_pipeline(seed: int = 0, **scheduler: object) -> StableDiffusionPipeline:
    """16 px, 4 latent channels, an attention in the middle of the VAE as in Stable Diffusion v1.5."""
    words = {letter: index for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    words |= {f"{letter}</w>": index + len(words) for index, letter in enumerate(list(words))}
    words |= {"<|startoftext|>": len(words), "<|endoftext|>": len(words) + 1}
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    marks = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return StableDiffusionPipeline(
            vae=AutoencoderKL(
                block_out_channels=(8, 16),
                norm_num_groups=4,
                latent_channels=4,
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
            ),
            text_encoder=CLIPTextModel(CLIPTextConfig(vocab_size=len(words), **marks, **text)),
            tokenizer=CLIPTokenizer(vocab=words, merges=[], model_max_length=77),
            unet=UNet2DConditionModel(
                sample_size=8,
                block_out_channels=(8, 16),
                norm_num_groups=4,
                layers_per_block=1,
                attention_head_dim=2,
                cross_attention_dim=16,
                down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            ),
            scheduler=PNDMScheduler(
                **{"steps_offset": 1, "skip_prk_steps": True, "prediction_type": "v_prediction", **scheduler}
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def saved(folder: Path, seed: int = 0, **scheduler: object) -> Path:
    with quiet():
        small_pipeline(seed, **scheduler).save_pretrained(folder)
    return folder


def state(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of a saved pipeline, by part and name.

    A text encoder that came with the names of older versions of transformers is saved with them.
    """
    held = ((part, load_file(folder / file)) for part, file in WEIGHTS.items())
    return {
        f"{part}.{k.removeprefix('text_model.')}": v for part, tensors in held for k, v in tensors.items()
    }


def rewrite(file: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors of a safetensors file."""
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def as_single_file(folder: Path, file: Path) -> Path:
    """A saved pipeline under the names, and in the shapes, of Stable Diffusion's own code."""
    tensors = {}
    for name, tensor in state(folder).items():
        part, _, inner = name.partition(".")
        table = {"unet": _UNET, "vae": _VAE, "text_encoder": _TEXT}[part]
        for pattern, replacement in table:
            inner = re.sub(pattern, replacement, inner)
        is_projection = part == "vae" and re.search(r"attn_1\.(q|k|v|proj_out)\.weight", inner)
        tensors[inner] = tensor[:, :, None, None].contiguous() if is_projection else tensor
    save_file(tensors, file)
    return file


_RESNET = [
    (r"\.norm1\.(?=\w+$)", ".in_layers.0."),
    (r"\.conv1\.", ".in_layers.2."),
    (r"\.time_emb_proj\.", ".emb_layers.1."),
    (r"\.norm2\.(?=\w+$)", ".out_layers.0."),
    (r"\.conv2\.", ".out_layers.3."),
    (r"\.conv_shortcut\.", ".skip_connection."),
]
_UNET = [
    (r"^(.*resnets\..*)$", lambda m: _renamed(m[1], _RESNET)),
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"^down_blocks\.0\.resnets\.0", "input_blocks.1.0"),
    (r"^down_blocks\.0\.attentions\.0", "input_blocks.1.1"),
    (r"^down_blocks\.0\.downsamplers\.0\.conv", "input_blocks.2.0.op"),
    (r"^down_blocks\.1\.resnets\.0", "input_blocks.3.0"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
    (r"^up_blocks\.0\.resnets\.(\d)", r"output_blocks.\1.0"),
    (r"^up_blocks\.0\.upsamplers\.0\.conv", "output_blocks.1.1.conv"),
    (r"^up_blocks\.1\.resnets\.(\d)", lambda m: f"output_blocks.{int(m[1]) + 2}.0"),
    (r"^up_blocks\.1\.attentions\.(\d)", lambda m: f"output_blocks.{int(m[1]) + 2}.1"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
    (r"^", "model.diffusion_model."),
]
_VAE = [
    (r"mid_block\.attentions\.0\.", "mid.attn_1."),
    (r"attn_1\.group_norm", "attn_1.norm"),
    (r"attn_1\.to_([qkv])", r"attn_1.\1"),
    (r"attn_1\.to_out\.0", "attn_1.proj_out"),
    (r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}"),
    (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{1 - int(m[1])}.block.{m[2]}"),
    (r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{1 - int(m[1])}.upsample"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"^", "first_stage_model."),
]
_TEXT = [(r"^", "cond_stage_model.transformer.text_model.")]


def _renamed(name: str, table: list[tuple[str, str]]) -> str:
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return name


TARGETS = {
    "unet": ["to_q", "to_v", "conv1"],
    "text_encoder": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1"],
}


def peft_adapter(folder: Path, alpha: int = 4) -> Path:
    """Adapters of rank 2 for both networks as PEFT saves them, with random weights (PEFT starts at nothing)."""
    pipeline, generator = small_pipeline(), torch.Generator().manual_seed(7)
    for part, targets in TARGETS.items():
        config = LoraConfig(r=2, lora_alpha=alpha, target_modules=targets)
        network = get_peft_model(getattr(pipeline, part), config)
        for name, parameter in network.named_parameters():
            if "lora_" in name:
                parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
        network.save_pretrained(folder / part)
    return folder


def diffusers_adapter(peft: Path, folder: Path) -> Path:
    """The same in one file, as diffusers' training scripts save it."""
    weights, metadata = {}, {}
    for part in TARGETS:
        held = load_file(peft / part / "adapter_model.safetensors")
        weights[part] = {name.removeprefix("base_model.model."): tensor for name, tensor in held.items()}
        metadata[part] = LoraConfig.from_pretrained(str(peft / part)).to_dict()
        metadata[part]["target_modules"] = sorted(metadata[part]["target_modules"])
    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=weights["unet"],
        text_encoder_lora_layers=weights["text_encoder"],
        unet_lora_adapter_metadata=metadata["unet"],
        text_encoder_lora_adapter_metadata=metadata["text_encoder"],
    )
    return folder


def kohya_adapter(peft: Path, file: Path, alpha: int = 4) -> Path:
    """The same under the names of kohya's scripts."""
    tensors = {}
    for part, prefix in (("unet", "lora_unet_"), ("text_encoder", "lora_te_text_model_")):
        for name, tensor in load_file(peft / part / "adapter_model.safetensors").items():
            layer, _, kind = name.removeprefix("base_model.model.").partition(".lora_")
            layer = prefix + layer.replace(".", "_")
            tensors[f"{layer}.lora_{'down' if kind.startswith('A') else 'up'}.weight"] = tensor
            tensors[f"{layer}.alpha"] = torch.tensor(float(alpha))
    save_file(tensors, file)
    return file


def merged_by_hand(weights: dict[str, torch.Tensor], peft: Path, strength: float) -> dict[str, torch.Tensor]:
    """``W + strength · B A``, for linear layers and convolutions."""
    expected = dict(weights)
    for part in TARGETS:
        held = load_file(peft / part / "adapter_model.safetensors")
        for name, down in held.items():
            if ".lora_A." in name:
                layer = f"{part}.{name.removeprefix('base_model.model.').replace('.lora_A.', '.')}"
                up = held[name.replace(".lora_A.", ".lora_B.")]
                added = (up.flatten(1) @ down.flatten(1)).reshape(weights[layer].shape)
                expected[layer] = weights[layer] + strength * added
    return expected
