"""No parameter of a built-in stage does nothing: each has a test that shows what changing it changes.

Most of these tests stand beside their stage. The table below names them, and this file fails when a parameter
has none, when a test is gone or is not about the parameter any more, and when a parameter is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from image_files import class_folders, colour, everything, parquet, png, source
from jobs import FolderJob
from toy_plans import keys_of
from toy_suites import write_suite

from harness.artifact import Artifact
from harness.engine import suite_sources
from harness.engine.plan import make
from harness.stage import Stage
from harness.store.artifacts import Store
from harness.suite import load, registry

pytestmark = pytest.mark.numeric

TESTS = Path(__file__).parent
DRAWN, OWN = "data/test_scenes.py", "data/folders/test_own.py"
PARQUET, RASTERS = "data/folders/test_parquet.py", "data/folders/test_rasters.py"
LABELS, TORCHGEO = "data/folders/test_labels.py", "data/folders/test_torchgeo_sets.py"
RSICD, LAND_COVER = "data/test_rsicd.py", "systems/test_land_cover.py"
WEIGHTS = "systems/test_land_cover_weights.py"
EACH = "test_every_parameter_changes_the_output"
KNOBS = "test_every_knob_changes_the_weights"
HERE = "test_knobs.py", "test_another_value_is_another_output"
KEYED = "test_knobs.py", "test_another_torchgeo_data_set_is_another_key"

T2I, IMAGES = "systems/text_to_image/", "metrics/"
TUNING = f"{T2I}training/test_finetuning.py"
CORPUS, LANGUAGE = "data/corpus/", "systems/language_model/"
EMBEDDING, WRITER = "systems/embeddings/", "systems/prompt_writer/"
LIMITS = "metrics/prompts/test_prompt_limits.py"

PROOFS: dict[str, dict[tuple[str, str], str]] = {
    "alignment.load": {
        (
            f"{IMAGES}alignment/test_alignment_loading.py",
            "test_a_stored_model_is_loaded_and_scores_the_same",
        ): "source"
    },
    "alignment.within_class": {
        (
            f"{IMAGES}alignment/test_alignment_within.py",
            "test_scores_do_not_depend_on_batch_size",
        ): "batch_size"
    },
    "alignment.score": {
        (
            f"{IMAGES}alignment/test_alignment_scoring.py",
            "test_scores_do_not_depend_on_batch_size",
        ): "batch_size"
    },
    "alignment.train": {
        (
            f"{IMAGES}alignment/test_alignment_training.py",
            "test_every_knob_of_training_changes_the_weights",
        ): "size patch width layers epochs batch_size lr augment seed"
    },
    "corpus.chunk": {
        (f"{CORPUS}test_chunking.py", "test_characters_are_the_least_that_a_chunk_has"): "characters",
        (
            f"{CORPUS}test_chunking.py",
            "test_a_document_without_a_full_stop_is_cut_at_white_space_before_the_longest",
        ): "longest",
    },
    "corpus.docstrings": {
        (f"{CORPUS}test_docstrings.py", "test_another_package_is_another_corpus"): "package"
    },
    "corpus.read": {
        (f"{CORPUS}test_texts.py", "test_another_source_is_another_corpus"): "source",
        (f"{CORPUS}test_texts.py", "test_a_heading_begins_another_document"): "heading",
        (
            f"{CORPUS}test_texts.py",
            "test_split_column_and_document_choose_what_is_read",
        ): "split column document",
    },
    "corpus.read_pdfs": {
        (f"{CORPUS}test_corpus_pdf.py", "test_another_source_is_another_corpus"): "source",
        (
            f"{CORPUS}test_corpus_pdf.py",
            "test_strict_makes_a_file_that_is_not_wholly_read_an_error",
        ): "strict",
    },
    "corpus.split": {(f"{CORPUS}test_splitting.py", EACH): "held_out by overlap seed"},
    "embeddings.load": {
        (f"{EMBEDDING}test_sentence_transformers.py", "test_another_source_is_another_embedder"): "source",
        (
            f"{EMBEDDING}test_sentence_transformers.py",
            "test_query_prefix_is_put_before_queries_only",
        ): "query_prefix",
    },
    "embeddings.local": {
        (
            f"{EMBEDDING}test_local_embedder.py",
            "test_other_dimensions_are_another_embedding",
        ): "dimensions"
    },
    "features.extract": {
        (
            f"{IMAGES}features/test_extracting.py",
            "test_batch_size_changes_nothing_in_fp32",
        ): "batch_size",
        (
            f"{IMAGES}features/test_extracting.py",
            "test_half_precision_is_another_extractor_and_batch_size_a_condition",
        ): "precision",
    },
    "features.load": {
        (
            f"{IMAGES}features/test_feature_loading.py",
            "test_every_parameter_changes_the_features",
        ): "architecture weights size resize normalisation"
    },
    "frechet.distance": {
        (
            f"{IMAGES}test_frechet.py",
            "test_pca_is_how_many_principal_axes_of_the_real_features_are_compared",
        ): "pca"
    },
    "kernel.distance": {(f"{IMAGES}test_kernel.py", "test_degree_is_that_of_the_kernel"): "degree"},
    "language_model.build": {
        (
            f"{LANGUAGE}models/test_language_building.py",
            "test_every_parameter_of_building_changes_the_model",
        ): "architecture vocabulary context dtype seed"
    },
    "language_model.finetune": {
        (
            f"{LANGUAGE}training/test_language_knobs.py",
            KNOBS,
        ): "method context batching eos epochs max_steps batch_size accumulate lr optimiser weight_decay schedule "
        "warm_up max_norm precision seed",
        (
            f"{LANGUAGE}training/test_language_knobs.py",
            "test_every_knob_of_adapters_changes_them",
        ): "rank alpha targets dropout",
        (
            f"{LANGUAGE}training/test_language_knobs.py",
            "test_gradient_checkpointing_changes_nothing",
        ): "gradient_checkpointing",
    },
    "language_model.generate": {
        (
            f"{LANGUAGE}test_generating.py",
            "test_every_parameter_of_generating_changes_the_texts",
        ): "prompts max_tokens temperature top_p samples seed precision",
        (f"{LANGUAGE}test_generating.py", "test_a_text_does_not_depend_on_batch_size"): "batch_size",
        (
            f"{LANGUAGE}test_generating.py",
            "test_a_base_writes_in_four_bits_as_below_an_adapter_that_has_learnt_nothing",
        ): "quantisation",
    },
    "language_model.likelihood": {
        (
            f"{LANGUAGE}scoring/test_likelihood.py",
            "test_every_knob_changes_the_likelihoods",
        ): "context stride bos eos unit precision quantisation",
        (
            f"{LANGUAGE}scoring/test_likelihood.py",
            "test_neither_batch_size_nor_padding_changes_the_likelihoods",
        ): "batch_size padding",
    },
    "language_model.load": {
        (
            f"{LANGUAGE}models/test_loading_models.py",
            "test_another_source_is_another_model_and_settings_for_sampling_stay_behind",
        ): "source"
    },
    "neighbours.closest": {(f"{IMAGES}test_neighbours.py", "test_count_changes_the_output"): "count"},
    "neighbours.manifold": {(f"{IMAGES}test_neighbours.py", "test_k_changes_the_output"): "k"},
    "neighbours.memorisation": {
        (f"{IMAGES}test_neighbours.py", "test_quantile_changes_the_output"): "quantile"
    },
    "prompt_writer.from_captions": {
        (
            f"{WRITER}writing/test_captioned_prompts.py",
            "test_every_parameter_of_captions_changes_the_prompts",
        ): "classes per_class seed"
    },
    "prompt_writer.from_file": {
        (
            f"{WRITER}writing/test_filed_prompts.py",
            "test_every_parameter_of_files_changes_the_prompts",
        ): "source prompt label writer",
        (f"{WRITER}writing/test_filed_prompts.py", "test_classes_give_the_order"): "classes",
    },
    "prompt_writer.from_templates": {
        (
            f"{WRITER}writing/test_template_prompts.py",
            "test_every_parameter_of_templates_changes_the_prompts",
        ): "classes per_class templates seed"
    },
    "prompt_writer.index": {
        (
            f"{WRITER}indexing/test_indexing.py",
            "test_chunk_size_and_overlap_change_the_passages",
        ): "chunk_size overlap",
        (
            f"{WRITER}indexing/test_chroma_server.py",
            "test_the_server_gives_the_same_answers_as_the_folder",
        ): "server",
    },
    "overlap.ngrams": {("metrics/test_overlap_scores.py", "test_n_decides_how_much_is_shared"): "n"},
    "prompt_writer.select": {
        (
            f"{WRITER}writing/test_selecting_prompts.py",
            "test_every_parameter_of_selecting_changes_the_prompts",
        ): "counts seed"
    },
    "prompt_writer.write": {
        (
            f"{WRITER}writing/test_grounded_writing.py",
            "test_every_parameter_of_writing_changes_the_prompts",
        ): "classes per_class passages pool query style instruction max_tokens temperature top_p seed",
        (
            f"{WRITER}writing/test_grounded_writing.py",
            "test_attempts_are_what_a_repeated_prompt_gets",
        ): "attempts",
        (
            f"{WRITER}writing/test_grounded_writing.py",
            "test_half_precision_and_four_bits_are_other_models_and_batch_size_a_condition",
        ): "precision four_bits",
        (
            f"{WRITER}writing/test_grounded_writing.py",
            "test_prompts_do_not_depend_on_batch_size",
        ): "batch_size",
    },
    "prompts.checks": {
        (
            LIMITS,
            "test_every_threshold_draws_its_line",
        ): "words repetition tokens relevance margin vocabulary support closeness",
        (LIMITS, "test_likeness_says_where_two_prompts_begin_to_be_the_same"): "likeness",
        (LIMITS, "test_positive_cues_are_part_of_the_prompt"): "positive",
        (
            LIMITS,
            "test_a_negative_cue_in_the_prompt_or_among_its_cues_is_a_contradiction",
        ): "negative",
        (LIMITS, "test_five_words_of_the_instruction_are_an_echo"): "instruction",
        (LIMITS, "test_class_words_name_classes_that_the_harness_does_not_know"): "class_words",
    },
    "prompts.variety": {
        ("metrics/prompts/test_prompt_diversity.py", "test_every_parameter_changes_the_output"): "n bleu"
    },
    **{
        metric: {
            ("metrics/test_ratings.py", "test_another_system_is_another_score"): "system",
            (
                "metrics/test_ratings.py",
                "test_an_interval_over_raters_is_of_three_clusters_and_over_images_of_as_many_as_there_are",
            ): "over",
        }
        for metric in ("ratings.match", "ratings.scores")
    },
    "reviews.read": {("data/test_reviews.py", "test_another_source_is_another_set_of_ratings"): "source"},
    "repetition.rate": {("metrics/test_repetition.py", "test_another_n_is_another_rate"): "n"},
    "sinkhorn.divergence": {
        (f"{IMAGES}test_sinkhorn.py", "test_epsilon_changes_the_output"): "epsilon",
        (
            f"{IMAGES}test_sinkhorn.py",
            "test_iterations_change_nothing_once_it_has_converged",
        ): "iterations",
    },
    "synthetic.dataset": {
        (
            "data/synthetic/test_packing.py",
            "test_every_parameter_changes_the_data_set",
        ): "name licence about shard_bytes"
    },
    "synthetic.filter": {
        (
            "data/synthetic/test_filtering.py",
            "test_every_threshold_changes_what_is_kept",
        ): "min_confidence duplicate_distance"
    },
    "synthetic.join": {
        ("data/synthetic/test_joining.py", "test_other_origins_are_another_output"): "origins"
    },
    "text_to_image.build": {
        (f"{T2I}architectures/test_building.py", "test_a_seed_is_its_weights"): "seed",
        (f"{T2I}architectures/test_building.py", "test_an_architecture_has_its_sizes"): "architecture",
    },
    "text_to_image.cast": {
        (f"{T2I}training/test_autoencoder.py", "test_a_cast_changes_the_type_and_rounds"): "dtype"
    },
    "text_to_image.checkpoint": {(TUNING, "test_checkpoints_are_what_a_shorter_training_ends_in"): "step"},
    "text_to_image.encode": {
        (
            f"{T2I}sampling/test_encoding.py",
            "test_every_knob_changes_the_output",
        ): "count positive negative caption seed",
        (f"{T2I}sampling/test_encoding.py", "test_long_prompts_can_be_refused"): "long_prompts",
    },
    "text_to_image.finetune": {
        (TUNING, KNOBS): "epochs max_steps batch_size accumulate lr optimiser weight_decay schedule warm_up "
        "max_norm method text_encoder ema caption caption_drop augment normalisation precision seed",
        (TUNING, "test_rank_and_alpha_change_what_adapters_learn"): "rank alpha",
        (TUNING, "test_checkpoints_are_what_a_shorter_training_ends_in"): "checkpoint_every",
        (TUNING, "test_gradient_checkpointing_changes_nothing"): "gradient_checkpointing",
        (TUNING, "test_two_processes_learn_what_one_learns"): "processes",
        (TUNING, "test_a_tracker_changes_nothing_and_leaves_its_log"): "tracker",
    },
    "text_to_image.folder": {
        (f"{T2I}sampling/test_outside.py", "test_another_source_is_another_output"): "source",
        (
            f"{T2I}sampling/test_outside.py",
            "test_every_parameter_changes_the_output",
        ): "prompt label of size resize",
        (
            f"{T2I}sampling/test_outside.py",
            "test_scale_says_which_values_of_16_bits_become_0_and_255",
        ): "scale",
    },
    "text_to_image.load": {
        (f"{T2I}pipelines/test_loading.py", "test_another_source_is_another_pipeline"): "source",
        (
            f"{T2I}pipelines/test_single_file.py",
            "test_the_config_decides_what_the_network_predicts",
        ): "config",
        (f"{T2I}pipelines/test_adapters.py", "test_every_format_is_the_sum_computed_by_hand"): "adapter",
        (f"{T2I}pipelines/test_adapters.py", "test_adapter_scale_changes_the_output"): "adapter_scale",
    },
    "text_to_image.load_tokenizer": {
        (f"{T2I}architectures/test_tokenizers.py", "test_a_stored_tokenizer_is_loaded"): "source"
    },
    "text_to_image.reconstruct": {
        (
            f"{T2I}training/test_autoencoder.py",
            "test_reconstructions_keep_names_and_do_not_depend_on_the_batch",
        ): "batch_size"
    },
    "text_to_image.sample": {
        (
            f"{T2I}sampling/test_images.py",
            "test_every_knob_gives_images_of_its_own",
        ): "scheduler steps guidance size precision seed",
        (
            f"{T2I}sampling/test_images.py",
            "test_batches_of_1_and_3_and_16_give_the_same_images",
        ): "batch_size",
    },
    "text_to_image.train_autoencoder": {
        (
            f"{T2I}training/test_autoencoder.py",
            "test_every_knob_changes_the_autoencoder",
        ): "steps batch_size lr kl augment precision seed"
    },
    "text_to_image.train_tokenizer": {
        (
            f"{T2I}architectures/test_tokenizers.py",
            "test_vocabulary_bounds_how_many_tokens_there_are",
        ): "vocabulary"
    },
    "folders.captioned": {
        HERE: "source scale",
        (OWN, "test_every_parameter_of_captioned_changes_the_output"): "captions size resize",
    },
    "folders.geotiff": {HERE: "source", (RASTERS, EACH): "bands scale order size resize"},
    "folders.hub": {
        HERE: "source",
        (PARQUET, EACH): "split columns size resize",
        (PARQUET, "test_scale_changes_the_output"): "scale",
    },
    "folders.hub_captioned": {HERE: "source split columns size resize scale"},
    "folders.images": {
        HERE: "source",
        (OWN, "test_another_column_is_another_label"): "label",
        (OWN, "test_size_and_filter_change_the_output"): "size resize",
        (OWN, "test_scale_changes_the_output"): "scale",
    },
    "folders.relabel": {(LABELS, "test_another_mapping_is_another_output"): "classes"},
    "folders.split": {(LABELS, EACH): "held_out stratified seed"},
    "folders.torchgeo": {
        KEYED: "dataset source",
        (
            TORCHGEO,
            "test_eurosat_is_read_where_it_lies_and_every_parameter_changes_the_output",
        ): "split bands scale size resize",
    },
    "land_cover.load": {
        (
            "systems/test_land_cover_weights.py",
            "test_a_stored_classifier_is_loaded_and_predicts_the_same",
        ): "source"
    },
    "land_cover.predict": {(LAND_COVER, "test_predictions_do_not_depend_on_batch_size"): "batch_size"},
    "land_cover.train": {
        (LAND_COVER, KNOBS): "model epochs batch_size lr loss freeze_backbone crop flips brightness contrast "
        "normalisation precision seed",
        (WEIGHTS, "test_own_weights_are_where_training_starts"): "weights",
        (LAND_COVER, "test_patience_decides_when_the_learning_rate_falls"): "patience",
        (LAND_COVER, "test_best_and_last_differ_when_the_best_epoch_is_not_the_last"): "keep",
    },
    "rsicd.load": {HERE: "source size resize"},
    "rsicd.published": {HERE: "source size resize"},
    "rsicd.split": {HERE: "source", (RSICD, EACH): "size resize held_out seed"},
    "scenes.draw": {(DRAWN, "test_each_parameter_changes_what_is_drawn"): "per_class size region seed"},
}
"""Stage → test → the parameters that it proves. An ``Execution`` parameter is proved to change nothing."""

Change = tuple[str, str, dict[str, Any], dict[str, Any]]
"""Stage, parameter, and two bindings that differ in it alone."""


def knob(stage: str, name: str, before: object, after: object, **rest: object) -> Change:
    return stage, name, {**rest, name: before}, {**rest, name: after}


BANDS = ("red", "green", "blue")
CAPTIONS, PLACES = {"image": "image", "captions": "captions"}, {"image": "image", "captions": "place"}
LOW, HIGH = (0.0, 5000.0), (0.0, 6300.0)

CHANGES = [
    knob("folders.captioned", "source", "listed", "listed again"),
    knob("folders.captioned", "scale", LOW, HIGH, source="listed deep"),
    knob("folders.geotiff", "source", "rasters", "rasters again", bands=BANDS, scale=(0.0, 255.0)),
    knob("folders.hub", "source", "hub", "hub again"),
    knob("folders.hub_captioned", "source", "hub", "hub again"),
    knob("folders.hub_captioned", "split", "train", "test", source="hub"),
    knob("folders.hub_captioned", "columns", CAPTIONS, PLACES, source="hub"),
    knob("folders.hub_captioned", "size", 12, 6, source="hub"),
    knob("folders.hub_captioned", "resize", "bicubic", "nearest", source="hub", size=6),
    knob("folders.hub_captioned", "scale", LOW, HIGH, source="hub deep"),
    knob("folders.images", "source", "classes", "classes again"),
    knob("rsicd.load", "source", "hub", "hub again"),
    knob("rsicd.load", "size", 12, 6, source="hub"),
    knob("rsicd.load", "resize", "bicubic", "nearest", source="hub", size=6),
    knob("rsicd.published", "source", "hub", "hub again"),
    knob("rsicd.published", "size", 12, 6, source="hub"),
    knob("rsicd.published", "resize", "bicubic", "nearest", source="hub", size=6),
    knob("rsicd.split", "source", "hub", "hub again", held_out=2),
]


def built_in() -> dict[str, Stage]:
    """The stages of the harness itself (the tests' toys are another package)."""
    return {s.name: s for s in registry.all_stages() if s.function.__module__.startswith("harness.")}


def test_each_parameter_of_each_stage_has_a_proof() -> None:
    parameters = {f"{s.name}.{p}" for s in built_in().values() for p in s.parameters}
    proved = [f"{stage}.{p}" for stage, tests in PROOFS.items() for ps in tests.values() for p in ps.split()]
    assert sorted(parameters - set(proved)) == [], "without a test that shows what they change"
    assert sorted(set(proved) - parameters) == [], "no such parameters"
    assert len(proved) == len(set(proved)) > 50


@pytest.mark.parametrize(
    ("file", "test", "parameters"),
    [(*test, p) for tests in PROOFS.values() for test, p in tests.items() if test != HERE],
)
def test_the_proof_is_there_and_about_its_parameters(file: str, test: str, parameters: str) -> None:
    words = words_of(TESTS / file, test)
    assert [p for p in parameters.split() if p not in words] == []


def test_what_is_said_to_be_proved_here_is_all_that_is() -> None:
    here = [f"{stage}.{p}" for stage, tests in PROOFS.items() for p in tests.get(HERE, "").split()]
    assert sorted(here) == sorted(f"{stage}.{name}" for stage, name, _, _ in CHANGES)


@pytest.mark.parametrize(
    ("stage", "before", "after"), [pytest.param(s, b, a, id=f"{s}.{p}") for s, p, b, a in CHANGES]
)
def test_another_value_is_another_output(
    places: Path, tmp_path: Path, stage: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    function = registry.find(stage).function
    assert output(function, before, places, tmp_path / "a") == output(
        function, before, places, tmp_path / "b"
    )
    assert output(function, before, places, tmp_path / "c") != output(function, after, places, tmp_path / "d")


def test_another_torchgeo_data_set_is_another_key(tmp_path: Path) -> None:
    """By the key: another class of TorchGeo's wants files of another layout, all of which it checks."""
    for name in ("one", "other"):
        (tmp_path / "suites" / name).mkdir(parents=True)
        (tmp_path / "suites" / name / "file").write_text(name)
    keys = {key_of(tmp_path, dataset=d, source=s) for d in ("EuroSAT", "UCMerced") for s in ("one", "other")}
    assert len(keys) == 4


def key_of(folder: Path, *, dataset: str, source: str) -> str:
    suite = load(
        write_suite(
            folder,
            "suite: toy/sets\nabout: Two data sets of TorchGeo.\nsubject: [parts]\nstages:\n"
            f"  own: {{use: folders.torchgeo, dataset: {dataset}, source: 'path:{source}'}}\n"
            "  parts: {use: folders.split, images: own, held_out: 0.5}\n"
            "  model: {use: land_cover.train, train: parts.train, validation: parts.held_out, weights: null}\n"
            "  predictions: {use: land_cover.predict, classifier: model, images: parts.held_out}\n"
            "metrics:\n  scores: {use: classification.scores, predictions: predictions}\n",
        )
    )
    resolved, _ = suite_sources.resolve(suite, mirror=None, store=Store(folder / "store"), download=False)
    (key,) = keys_of(make(resolved), "own")
    return key


def output(function: Callable[..., Any], bound: dict[str, Any], places: Path, job: Path) -> list[Any]:
    """Everything in the folders of all that a stage returns."""
    given = {**bound, "source": replace(source(places / bound["source"]), text="the same")}
    made = function(**given, job=FolderJob(job))
    sides = [made] if isinstance(made, Artifact) else list(made)
    found = [everything(side) for side in sides]
    assert all(found)
    return found


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data of every layout, each with a second folder that has other pixels."""
    root = tmp_path_factory.mktemp("places")
    for name, first in (("", 0), (" again", 40)):
        class_folders(root / f"classes{name}", ("lake", f"town{name}"))
        listed(root / f"listed{name}", [colour(first + i) for i in range(2)])
        hub(root / f"hub{name}", first)
        for i, label in enumerate(("lake", "town")):
            raster(root / f"rasters{name}" / label / "0.tif", first + i)
    deep = np.arange(0, 6400, 100, dtype=np.uint16).reshape(8, 8)
    listed(root / "listed deep", [deep, deep])
    parquet(root / "hub deep" / "train-00000-of-00001.parquet", [{"image": png(deep), "captions": "sea"}])
    return root


def listed(root: Path, images: list[np.ndarray]) -> None:
    root.mkdir()
    lines = [f'{{"file_name": "{i}.png", "captions": "scene {i}"}}\n' for i in range(len(images))]
    (root / "metadata.jsonl").write_text("".join(lines))
    for i, pixels in enumerate(images):
        (root / f"{i}.png").write_bytes(png(pixels))


def hub(root: Path, first: int) -> None:
    """RSICD's columns, and a few more that other data sets have."""
    for split, start in (("train", 0), ("valid", 4), ("test", 8)):
        rows = [
            {
                "filename": f"{('pond', 'beach')[i % 2]}_{i}.jpg",
                "captions": [f"scene {i}"],
                "place": f"place {i}",
                "label": ("pond", "beach")[i % 2],
                "image": {"bytes": png(colour(first + i, size=16)), "path": None},
            }
            for i in range(start, start + 4)
        ]
        parquet(root / f"{split}-00000-of-00001.parquet", rows)


def raster(file: Path, index: int) -> None:
    file.parent.mkdir(parents=True)
    shape = {"driver": "GTiff", "count": 3, "height": 8, "width": 8, "dtype": "uint8"}
    with rasterio.open(file, "w", **shape, transform=Affine(10, 0, 5e5, 0, -10, 5e6)) as out:
        out.write(colour(index).transpose(2, 0, 1))
        out.descriptions = BANDS


def words_of(file: Path, test: str) -> set[str]:
    """Names and strings in a test, its decorators, and what of its own module these name."""
    body = ast.parse(file.read_text()).body
    defined: dict[str, ast.stmt] = {s.name: s for s in body if isinstance(s, ast.FunctionDef)}
    for s in body:
        target = s.targets[0] if isinstance(s, ast.Assign) else getattr(s, "target", None)
        if isinstance(target, ast.Name):
            defined[target.id] = s
    assert test in defined, f"{file}: no {test}"
    words: set[str] = set()
    waiting = [defined[test]]
    for statement in waiting:
        for node in ast.walk(statement):
            words.update(w for f in ("id", "value", "arg") if isinstance(w := getattr(node, f, None), str))
            if isinstance(node, ast.Name) and isinstance(
                constant := defined.pop(node.id, None), ast.Assign | ast.AnnAssign
            ):
                waiting.append(constant)
    return words
