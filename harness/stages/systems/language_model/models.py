"""Language models from elsewhere: the hub's and one's own, and adapters for them."""

from __future__ import annotations

from harness.artifact import LanguageModel
from harness.data.hub import Source
from harness.errors import StageError
from harness.stage import Job, stage


@stage(version=1, software=("torch", "transformers", "tokenizers", "peft", "bitsandbytes"))
def load(base: LanguageModel | None = None, *, source: Source, job: Job) -> LanguageModel:
    """A causal language model that was trained before, or an adapter for one, with every weight accounted for.

    A model is read and written anew, in the type of number that it is stored in, so that it stays what it is when
    the source changes. Pickles are never opened, code beside the weights is never run. Settings for sampling that
    the source brings are left out: here a suite says them.

    An adapter is put on its base to see that it fits, and stays an adapter: every stage that takes it takes the
    base beside it. Where its ``training.json`` says what base that was, it must be this one; where it has none, this
    one is noted.

    Args:
        base: for an adapter, the model that it was trained on.
        source: a folder as transformers saves a model (``config.json``), or as PEFT saves a LoRA adapter
            (``adapter_config.json``): ``org/name@commit``, ``path:…``.
        job: the runner's side.

    Raises:
        StageError: a file is missing, damaged or a pickle; weights are missing, too many, of another shape, quantised
            or not finite; the tokenizer is not the model's; an adapter without base, or for another one.
    """
    from harness.compute.weights import stored_dtype
    from harness.systems.language_model.models import checks
    from harness.systems.language_model.models.opening import context_of, describe, read_plain, save
    from harness.systems.language_model.models.tokenizers import fit, read_tokenizer

    if not source.path.is_dir():
        raise StageError(
            f"{source.text}: a file; expected a folder as transformers saves a model, or PEFT an adapter"
        )
    if checks.is_adapter(source.path):
        if base is None:
            raise StageError(f"{source.text}: an adapter; set base to the model that it was trained on")
        return _load_adapter(base, source, job)
    if base is not None:
        raise StageError(
            f"{source.text}: a whole model and no adapter, so a base would do nothing; leave it out"
        )
    dtype = stored_dtype(checks.weight_files(source.path, source.text), source.text)
    network = read_plain(source.path, source.text, dtype)
    tokenizer = read_tokenizer(source.path, source.text)
    fit(tokenizer, network, source.path, source.text)
    context_of(network, source.text)
    folder = job.folder()
    save(network, tokenizer, folder)
    return LanguageModel(folder, facts=describe(network, tokenizer))


def _load_adapter(base: LanguageModel, source: Source, job: Job) -> LanguageModel:
    """Opened on its base, and copied as it is."""
    import shutil

    import torch

    from harness.compute.weights import stored_dtype
    from harness.systems.language_model.models import adapters, checks
    from harness.systems.language_model.models.identity import Identity
    from harness.systems.language_model.models.opening import describe, open_in

    adapters.refuse_adapter(base.path, source.text)
    noted = (source.path / adapters.TRAINING).is_file()
    if noted:
        training = adapters.Training.read(source.path, source.text)
    else:
        training = adapters.Training(Identity.of(base.path, "the base"), None)
        job.log(f"{source.text}: does not say what it was trained on; taken for an adapter of this base")
    adapters.check_files(source.path, source.text)
    folder = job.folder()
    for name in (checks.ADAPTER, adapters.WEIGHTS):
        shutil.copyfile(source.path / name, folder / name)
    training.write(folder)
    stored = stored_dtype(checks.weight_files(base.path, "the base"), "the base")
    dtype = torch.float32 if stored == torch.float64 else stored
    opened = open_in(folder, base.path, dtype=dtype, device="cpu", what=source.text)
    return LanguageModel(
        folder,
        facts={
            **describe(opened.network, opened.tokenizer),
            "quantisation": training.quantisation.to_json() if training.quantisation else None,
            "base_noted": noted,
        },
    )
