"""Pipelines from elsewhere, in a folder: what is kept, what is refused, in which words."""

import json
import shlex
import shutil

import pytest
import torch
from image_files import source
from jobs import FolderJob
from pipeline_files import WEIGHTS, rewrite, saved, small_pipeline, state
from safetensors.torch import load_file, save_file

from harness.artifact import Pipeline
from harness.errors import StageError
from harness.sources.hub import Source
from harness.stages.systems.text_to_image.components import open_pipeline, quiet
from harness.stages.systems.text_to_image.pipelines import load

ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("original") / "pipeline")


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "pipeline")


def loaded(path, tmp_path, **parameters):
    return load(source=source(path), job=FolderJob(tmp_path / "load"), **parameters)


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def refused(path, tmp_path):
    with pytest.raises(StageError) as e:
        loaded(path, tmp_path)
    message = str(e.value)
    assert len(message.splitlines()) == 1
    return message


def test_every_weight_and_the_configuration_are_kept(original, tmp_path):
    pipeline = loaded(original, tmp_path)
    before, after = state(original), state(pipeline.path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    schedule = "scheduler/scheduler_config.json"
    assert (pipeline.path / schedule).read_bytes() == (original / schedule).read_bytes()
    assert pipeline.facts == {
        "parameters": {
            part: sum(w.numel() for name, w in before.items() if name.startswith(part)) for part in WEIGHTS
        },
        "dtype": {"vae": "float32", "text_encoder": "float32", "unet": "float32"},
        "scheduler": "PNDMScheduler",
        "prediction_type": "v_prediction",
        "size": 16,
        "tokens": 77,
    }


@pytest.mark.proves("text_to_image.load", "source")
def test_another_source_is_another_pipeline(original, tmp_path):
    source = saved(tmp_path / "other", seed=1)
    other = loaded(source, tmp_path)
    assert any(not torch.equal(w, state(other.path)[name]) for name, w in state(original).items())


def test_what_is_left_does_not_change_with_its_source_and_names_no_place(folder, tmp_path):
    pipeline = loaded(folder, tmp_path)
    before = state(pipeline.path)
    rewrite(folder / WEIGHTS["unet"], lambda tensors: [t.zero_() for t in tensors.values()])
    after = state(pipeline.path)
    assert all(torch.equal(before[name], after[name]) for name in before)
    texts = [file.read_text() for file in pipeline.path.rglob("*.json")]
    assert len(texts) == 7
    assert not any(str(tmp_path) in text for text in texts)


def test_loading_what_was_loaded_changes_no_byte(original, tmp_path):
    first = loaded(original, tmp_path / "1")
    second = loaded(first.path, tmp_path / "2")
    files = sorted(p.relative_to(first.path) for p in first.path.rglob("*") if p.is_file())
    assert len(files) == 10
    assert all((first.path / f).read_bytes() == (second.path / f).read_bytes() for f in files)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_stored_type_is_kept_and_the_reader_chooses_its_own(folder, tmp_path, dtype):
    rewrite(
        folder / WEIGHTS["unet"], lambda tensors: tensors.update({k: t.to(dtype) for k, t in tensors.items()})
    )
    pipeline = loaded(folder, tmp_path)
    stored = state(pipeline.path)
    assert {t.dtype for name, t in stored.items() if name.startswith("unet.")} == {dtype}
    assert {t.dtype for name, t in stored.items() if name.startswith("vae.")} == {torch.float32}
    assert pipeline.facts["dtype"]["unet"] == str(dtype).removeprefix("torch.")
    opened = open_pipeline(pipeline, dtype=torch.float32, device="cpu")
    assert {opened.unet.dtype, opened.vae.dtype, opened.text_encoder.dtype} == {torch.float32}


def test_a_pipeline_of_years_ago_is_read_as_it_was_meant(folder, tmp_path):
    """Stable Diffusion v1.5 on the hub: other names in the VAE's attention and the text encoder, second copies,
    a safety checker, variants.
    """
    before = state(folder)

    def older_vae(tensors):
        for name in [n for n in tensors if ".attentions." in n]:
            older = name
            for new, old in ATTENTION.items():
                older = older.replace(f".{new}.", f".{old}.")
            tensors[older] = tensors.pop(name)

    def older_text(tensors):
        for name in list(tensors):
            tensors[f"text_model.{name}"] = tensors.pop(name)
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]

    rewrite(folder / WEIGHTS["vae"], older_vae)
    rewrite(folder / WEIGHTS["text_encoder"], older_text)
    edit(folder / "model_index.json", safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    unet = folder / WEIGHTS["unet"]
    save_file({"zeros": torch.zeros(3)}, unet.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    unet.with_suffix(".bin").write_bytes(b"a second copy, never opened")
    after = state(loaded(folder, tmp_path).path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_only_variant_is_taken_and_two_are_a_question(folder, tmp_path):
    for file in WEIGHTS.values():
        name = folder / file
        name.rename(name.with_suffix(".fp16.safetensors"))
    before = load_file(folder / "unet/diffusion_pytorch_model.fp16.safetensors")
    after = state(loaded(folder, tmp_path).path)
    assert before
    assert all(torch.equal(after[f"unet.{name}"], tensor) for name, tensor in before.items())
    save_file(before, folder / "unet/diffusion_pytorch_model.ema.safetensors")
    assert "unet: only variants (ema, fp16); expected one" in refused(folder, tmp_path / "two")


def test_weights_in_several_files_are_read_and_each_is_needed(original, tmp_path):
    with quiet():
        small_pipeline().save_pretrained(tmp_path / "shards", max_shard_size="60KB")
    shards = sorted((tmp_path / "shards" / "unet").glob("*.safetensors"))
    assert len(shards) > 1
    before, after = state(original), state(loaded(tmp_path / "shards", tmp_path).path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    shards[0].unlink()
    assert f"unet/{shards[0].name}" in refused(tmp_path / "shards", tmp_path / "again")


def test_an_opened_pipeline_samples_without_a_word(original, tmp_path, capfd):
    pipeline = open_pipeline(loaded(original, tmp_path), dtype=torch.float32, device="cpu")
    picture = pipeline(
        "a lake", num_inference_steps=2, generator=torch.Generator().manual_seed(0), output_type="np"
    ).images
    assert picture.shape == (1, 16, 16, 3)
    assert not pipeline.unet.training
    assert "".join(capfd.readouterr()) == ""


def test_outdated_scheduler_settings_are_corrected_as_diffusers_does(tmp_path, recwarn):
    pipeline = loaded(saved(tmp_path / "old", steps_offset=0), tmp_path)
    assert json.loads((pipeline.path / "scheduler/scheduler_config.json").read_text())["steps_offset"] == 1
    recwarn.clear()
    open_pipeline(pipeline, dtype=torch.float32, device="cpu")
    assert not recwarn.list


def test_a_pickled_folder_is_refused_with_a_command_that_converts_it(original, tmp_path, monkeypatch):
    pickled = tmp_path / "pickled"
    with quiet():
        small_pipeline().save_pretrained(pickled, safe_serialization=False)
    file = pickled / WEIGHTS["text_encoder"]  # transformers writes no pickles any more
    torch.save(load_file(file), file.with_name("pytorch_model.bin"))
    file.unlink()
    assert not list(pickled.rglob("*.safetensors"))
    message = refused(pickled, tmp_path)
    assert "vae: diffusion_pytorch_model.bin is a pickle, which can run code when it is opened" in message

    monkeypatch.chdir(tmp_path)
    _, _, code = shlex.split(message[message.index("python -c") :])
    with quiet():
        exec(code)
    after = state(loaded(tmp_path / "pickled-safe", tmp_path).path)
    before = state(original)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_pipeline_of_a_mirror_is_opened(original, tmp_path):
    from harness.sources.content import DigestCache
    from harness.sources.resolve import resolve

    shutil.copytree(original, tmp_path / "mirror" / "someone" / "model")
    named = Source.from_text("someone/model@unpinned")
    cache = DigestCache(tmp_path / "digests")
    found = resolve(named, mirror=tmp_path / "mirror", cache=cache, download=False)
    pipeline = load(source=found, job=FolderJob(tmp_path / "load"))
    assert isinstance(pipeline, Pipeline)
    assert state(pipeline.path).keys() == state(original).keys()
