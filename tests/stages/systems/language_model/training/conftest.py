"""One model, one corpus, and a training of each kind, for all tests of trainings."""

from __future__ import annotations

import pytest
from corpora import corpus
from jobs import FolderJob
from tiny_language_model import FULL, LORA, QLORA, SENTENCES, tiny_model

from harness.artifact import Corpus, LanguageModel
from harness.stages.systems.language_model.models import finetune


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus(tmp_path_factory.mktemp("data"), *SENTENCES)


@pytest.fixture(scope="session")
def full(base: LanguageModel, data: Corpus, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return finetune(base, data, data, **FULL, job=FolderJob(tmp_path_factory.mktemp("full")))


@pytest.fixture(scope="session")
def lora(base: LanguageModel, data: Corpus, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return finetune(base, data, data, **LORA, job=FolderJob(tmp_path_factory.mktemp("lora")))


@pytest.fixture(scope="session")
def qlora(base: LanguageModel, data: Corpus, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return finetune(base, data, data, **QLORA, job=FolderJob(tmp_path_factory.mktemp("qlora")))
