"""Counts what training, sampling and scoring at the published architectures keep in memory.

    python scripts/gpu_memory.py          writes harness/engine/memory_table.py (minutes; no GPU, little memory)

The networks are those of the stages, of fake tensors: they have shapes and types and no numbers. Counted are the bytes
of all tensors that live at the same time: parameters, gradients, the optimiser's state, activations.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

TABLE = Path(__file__).parents[1] / "harness" / "engine" / "memory_table.py"
BATCHES = (1, 4, 16, 64)
SIZE, CONTEXT, TEXT = 512, 512, 77
HALF = torch.bfloat16
"""fp16 takes as much."""
FOUR_BITS = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a weight: half a byte, a byte of scale for 64, and four bytes for 256 of these."""


class Live(TorchDispatchMode):
    """Counts the bytes of the tensors that live; each storage once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        self._known[key] = storage.nbytes()
        self.now += self._known[key]
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._known.pop(key)


@contextmanager
def counted() -> Iterator[Live]:
    """Count inside the block, where every tensor is a fake one."""
    with FakeTensorMode(), Live() as live:
        yield live


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _adapters_stay() -> Any:
    """PEFT moves new adapters to the device of their layer, and fake parameters cannot be moved; they are there."""
    return patch("torch.nn.Module.to", lambda module, *_, **__: module)


def _cast(half: bool) -> Any:
    return torch.autocast("cpu", HALF) if half else nullcontext()


def _trained(live: Live, loss: Callable[[], torch.Tensor], parameters: list[torch.nn.Parameter]) -> int:
    """Peak of the second step, when the optimiser has its state."""
    optimizer = torch.optim.AdamW(parameters, fused=True)
    for _ in range(2):
        loss().backward()
        optimizer.step()
        optimizer.zero_grad()
    return live.peak


def diffusion_training(batch: int, *, half: bool, method: str, checkpointing: bool) -> int:
    """Peak bytes of ``text_to_image.finetune`` at Stable Diffusion v1.5, with images of 512 pixels."""
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig
    from transformers import CLIPTextConfig, CLIPTextModel

    from harness.stages.systems.text_to_image.denoising import Batch, Denoiser
    from harness.stages.systems.text_to_image.pipelines import DESIGNS

    design = DESIGNS["sd15"]
    with counted() as live:
        unet = UNet2DConditionModel(**design.unet)
        with _default(HALF if half else torch.float32):
            text = CLIPTextModel(CLIPTextConfig(vocab_size=49408, **design.text_encoder)).requires_grad_(
                False
            )
        if method == "lora":
            unet.requires_grad_(False)
            with _adapters_stay():
                unet.add_adapter(LoraConfig(r=16, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
        if checkpointing:
            unet.enable_gradient_checkpointing()
        network = Denoiser(unet.train(), text)
        side = SIZE // 8
        drawn = Batch(
            torch.randn(batch, 4, side, side),
            torch.randn(batch, 4, side, side),
            torch.zeros(batch, dtype=torch.long),
            torch.zeros(batch, TEXT, dtype=torch.long),
        )

        def loss() -> torch.Tensor:
            with _cast(half):
                return drawn.loss(network)

        return _trained(live, loss, [p for p in unet.parameters() if p.requires_grad])


def diffusion_sampling(batch: int, *, half: bool) -> int:
    """Peak bytes of a guided evaluation and of the decoder, as ``text_to_image.sample`` does them at 512 pixels."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from harness.stages.systems.text_to_image.pipelines import DESIGNS

    design, dtype = DESIGNS["sd15"], HALF if half else torch.float32
    with counted() as live, torch.no_grad(), _default(dtype):
        unet, vae = UNet2DConditionModel(**design.unet).eval(), AutoencoderKL(**design.vae).eval()
        text = CLIPTextModel(CLIPTextConfig(vocab_size=49408, **design.text_encoder))
        latents = torch.randn(batch, 4, SIZE // 8, SIZE // 8)
        said = torch.randn(2 * batch, TEXT, text.config.hidden_size)
        unet(torch.cat([latents, latents]), torch.zeros(2 * batch, dtype=torch.long), said)
        vae.decode(latents)
        return live.peak


def language_training(batch: int, *, architecture: Any, half: bool, method: str, checkpointing: bool) -> int:
    """Peak bytes of ``language_model.finetune`` with rows of 512 tokens; rank 16 on queries, keys, values."""
    from peft import LoraConfig, get_peft_model

    from harness.stages.systems.language_model.scorer import losses

    with counted() as live:
        network: Any = _language(architecture, half and method != "full")
        saved = _four_bits(network) if method == "qlora" else 0
        if checkpointing:
            network.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        if method != "full":
            network.requires_grad_(False)
            config = LoraConfig(task_type="CAUSAL_LM", r=16, target_modules=["q_proj", "k_proj", "v_proj"])
            with _adapters_stay():
                network = get_peft_model(network, config, autocast_adapter_dtype=False)
        tokens = torch.zeros(batch, CONTEXT, dtype=torch.long)
        network.train()

        def loss() -> torch.Tensor:
            with _cast(half):
                logits = network(input_ids=tokens, use_cache=False).logits.flatten(0, 1)
            return losses(logits, tokens.flatten()).sum()

        return _trained(live, loss, [p for p in network.parameters() if p.requires_grad]) - saved


def language_scoring(batch: int, *, architecture: Any, half: bool, four_bits: bool) -> int:
    """Peak bytes of ``language_model.likelihood`` with windows of 512 tokens, all of them predicted."""
    from harness.stages.systems.language_model.scorer import losses

    with counted() as live, torch.no_grad():
        network = _language(architecture, half).eval()
        saved = _four_bits(network) if four_bits else 0
        tokens = torch.zeros(batch, CONTEXT, dtype=torch.long)
        logits = network(input_ids=tokens, use_cache=False).logits.flatten(0, 1)
        losses(logits, tokens.flatten())
        return live.peak - saved


def _language(architecture: Any, half: bool) -> Any:
    from transformers import AutoModelForCausalLM

    from harness.stages.systems.language_model.models import DESIGNS, configuration

    design = DESIGNS[architecture]
    config = configuration(
        architecture, tokens=design["vocab_size"], context=design["max_position_embeddings"]
    )
    return AutoModelForCausalLM.from_config(config, dtype=HALF if half else torch.float32)


def _four_bits(network: Any) -> int:
    """Bytes that four bits save: those of all linear layers but the head, without one that is unpacked at a time."""
    linear = [
        m.weight
        for name, m in network.named_modules()
        if isinstance(m, torch.nn.Linear) and "lm_head" not in name
    ]
    largest = max(w.numel() * w.element_size() for w in linear)
    return int(sum(w.numel() * (w.element_size() - FOUR_BITS) for w in linear)) - largest


def curves() -> Iterator[tuple[tuple[Any, ...], list[int]]]:
    """Each case, and its peak bytes at ``BATCHES``."""
    for half in (False, True):
        precision = "half" if half else "fp32"
        for method in ("full", "lora"):
            for checkpointing in (False, True):
                given: dict[str, Any] = {"half": half, "method": method, "checkpointing": checkpointing}
                key = ("text_to_image.finetune", "sd15", precision, method, checkpointing)
                yield key, [diffusion_training(batch, **given) for batch in BATCHES]
        key = ("text_to_image.sample", "sd15", precision, "", False)
        yield key, [diffusion_sampling(batch, half=half) for batch in BATCHES]
        for architecture in ("phi-1.5", "mistral-7b"):
            for method in ("full", "lora", "qlora"):
                for checkpointing in (False, True):
                    given = {"half": half, "method": method, "checkpointing": checkpointing}
                    key = ("language_model.finetune", architecture, precision, method, checkpointing)
                    yield key, [language_training(b, architecture=architecture, **given) for b in BATCHES]
            for four_bits in (False, True):
                key = (
                    "language_model.likelihood",
                    architecture,
                    precision,
                    "nf4" if four_bits else "",
                    False,
                )
                yield (
                    key,
                    [
                        language_scoring(b, architecture=architecture, half=half, four_bits=four_bits)
                        for b in BATCHES
                    ],
                )


HEAD = '''"""Written by ``scripts/gpu_memory.py``: bytes that live at most, counted for the published architectures.

Stage, architecture, precision (``half`` is fp16 and bf16), method or quantisation, gradient checkpointing → bytes for
each of ``BATCHES`` images of 512 pixels, or rows of 512 tokens.
"""

from __future__ import annotations

BATCHES = {batches}
CURVES: dict[tuple[str, str, str, str, bool], tuple[int, ...]] = {{
{lines}
}}
'''


def main() -> int:
    """Count, and write the table in steps of 10 MB."""
    lines = []
    for key, found in curves():
        rounded = tuple(round(each, -7) for each in found)
        print(key, [f"{each / 1e9:.1f}" for each in rounded], flush=True)
        named = ", ".join(f'"{part}"' if isinstance(part, str) else str(part) for part in key)
        lines.append(f"    ({named}): ({', '.join(f'{each:_}' for each in rounded)}),")
    TABLE.write_text(HEAD.format(batches=BATCHES, lines="\n".join(lines)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
