"""What every encoder promises, shown on a small transformers model that is made on the spot."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np
import pytest

from neo4j_relpred.config import Backend, Pooling, Precision, TextSettings
from neo4j_relpred.errors import EncoderNotFound
from neo4j_relpred.text.encoder import (
    Encoder,
    NoEncoder,
    OnnxEncoder,
    TransformersEncoder,
    bundled_encoder,
    open_encoder,
)
from tests.unit.text.models import tiny_bert

TEXTS = ["ada wrote", "the first program for a machine that never ran", "", "ada", "machine ran", "ada wrote", "  "]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


class EncoderContract:
    """Subclasses give a fixture `encoder`, and say how near equal vectors are."""

    tolerance: ClassVar[float] = 1e-5

    def test_each_text_gets_one_vector_of_the_encoders_width(self, encoder: Encoder) -> None:
        vectors = encoder.encode(TEXTS)
        assert vectors.shape == (len(TEXTS), encoder.width)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()

    def test_no_texts_give_no_vectors(self, encoder: Encoder) -> None:
        none = encoder.encode([])
        assert none.shape == (0, encoder.width)
        assert none.dtype == np.float32

    def test_an_empty_text_gets_the_zero_vector(self, encoder: Encoder) -> None:
        assert not encoder.encode(["", "   ", "\n"]).any()

    def test_vectors_have_unit_length(self, encoder: Encoder) -> None:
        lengths = np.linalg.norm(encoder.encode(["ada", "the machine"]), axis=1)
        np.testing.assert_allclose(lengths, np.ones(2) if encoder.width else np.zeros(2), atol=1e-5)

    def test_a_text_is_encoded_alike_alone_and_in_a_batch(self, encoder: Encoder) -> None:
        together = encoder.encode(TEXTS)
        alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
        np.testing.assert_allclose(together, alone, atol=self.tolerance)

    def test_equal_texts_get_equal_vectors(self, encoder: Encoder) -> None:
        vectors = encoder.encode(TEXTS)
        np.testing.assert_array_equal(vectors[0], vectors[5])

    def test_the_order_of_texts_does_not_matter(self, encoder: Encoder) -> None:
        np.testing.assert_allclose(encoder.encode(TEXTS[::-1])[::-1], encoder.encode(TEXTS), atol=self.tolerance)

    def test_progress_ends_at_the_number_of_texts(self, encoder: Encoder) -> None:
        seen: list[tuple[int, int]] = []
        encoder.encode(TEXTS, lambda done, total: seen.append((done, total)))
        assert all(done <= total for done, total in seen)
        assert not encoder.width or seen[-1][0] == seen[-1][1]

    def test_the_fingerprint_is_a_fixed_word(self, encoder: Encoder) -> None:
        assert encoder.fingerprint == encoder.fingerprint != ""


class TestNoEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self) -> Encoder:
        return open_encoder(TextSettings(encoder=""))

    def test_it_is_chosen_by_an_empty_name(self, encoder: Encoder) -> None:
        assert isinstance(encoder, NoEncoder)


class ModelContract(EncoderContract):
    backend: ClassVar[Backend] = "torch"
    precision: ClassVar[Precision] = "fp32"
    pooling: ClassVar[Pooling] = "mean"

    def settings(self, tiny_model: Path, batch_tokens: int = 64, max_tokens: int = 256) -> TextSettings:
        return TextSettings(
            encoder=str(tiny_model),
            backend=self.backend,
            precision=self.precision,
            pooling=self.pooling,
            batch_tokens=batch_tokens,
            max_tokens=max_tokens,
        )

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, tiny_model: Path, exports: Path) -> Encoder:
        return open_encoder(cls().settings(tiny_model), "cpu", exports)

    def test_it_is_the_one_that_was_asked_for(self, encoder: Encoder) -> None:
        assert isinstance(encoder, OnnxEncoder if self.backend == "onnx" else TransformersEncoder)
        assert encoder.fallback == ""
        assert encoder.about.startswith(f"{self.backend} {'int8' if self.backend == 'onnx' else self.precision}")

    def test_different_texts_get_different_vectors(self, encoder: Encoder) -> None:
        first, second = encoder.encode(["ada wrote the program", "the machine never ran"])
        assert first @ second < 0.9999

    def test_batches_of_any_size_give_the_same(self, encoder: Encoder, tiny_model: Path, exports: Path) -> None:
        other = open_encoder(self.settings(tiny_model, batch_tokens=100_000), "cpu", exports)
        np.testing.assert_allclose(other.encode(TEXTS), encoder.encode(TEXTS), atol=self.tolerance)

    def test_the_vectors_are_nearly_those_of_torch_in_full_precision(self, encoder: Encoder, tiny_model: Path) -> None:
        exact = open_encoder(TextSettings(encoder=str(tiny_model), pooling=self.pooling, precision="fp32"), "cpu")
        cosines = (encoder.encode(TEXTS) * exact.encode(TEXTS)).sum(1)
        assert cosines[[0, 1, 3, 4, 5]].min() > 0.98

    def test_texts_are_cut_at_the_most_tokens(self, tiny_model: Path, exports: Path) -> None:
        encoder = open_encoder(self.settings(tiny_model, max_tokens=8), "cpu", exports)
        long = "ada wrote the first program for a machine"
        cut = encoder.encode([long])
        same = encoder.encode(["ada wrote the first program for"])  # six words and two marks
        np.testing.assert_allclose(cut, same, atol=1e-5)


class TestMeanPooling(ModelContract):
    pass


class TestClsPooling(ModelContract):
    pooling = "cls"


class TestLastPooling(ModelContract):
    pooling = "last"


class TestBf16(ModelContract):
    precision = "bf16"
    tolerance = 0.02


class TestOnnxMeanPooling(ModelContract):
    backend = "onnx"
    tolerance = 0.1  # batch-mates share the range of int8 numbers


class TestOnnxClsPooling(TestOnnxMeanPooling):
    pooling = "cls"


class TestOnnxLastPooling(TestOnnxMeanPooling):
    pooling = "last"


def test_every_pooling_of_the_settings_keeps_the_contract_with_every_backend() -> None:
    contracts = (TestMeanPooling, TestClsPooling, TestLastPooling, *(TestOnnxMeanPooling,), TestOnnxClsPooling)
    shown = {(contract.backend, contract.pooling) for contract in (*contracts, TestOnnxLastPooling)}
    assert shown == {(backend, pooling) for backend in get_args(Backend) for pooling in get_args(Pooling)}


def test_whatever_changes_vectors_changes_the_fingerprint(tiny_model: Path, exports: Path) -> None:
    plain = TextSettings(encoder=str(tiny_model), precision="fp32")
    changes: list[dict[str, object]] = [
        {},
        {"pooling": "cls"},
        {"pooling": "last"},
        {"prompt": "the "},
        {"max_tokens": 8},
        {"precision": "bf16"},
        {"precision": "auto"},
        {"backend": "onnx"},
    ]
    encoders = [open_encoder(plain.model_copy(update=change), "cpu", exports) for change in changes]
    assert len({encoder.fingerprint for encoder in encoders}) == len(changes)


def test_poolings_and_prompts_give_different_vectors(tiny_model: Path) -> None:
    variants = [
        TextSettings(encoder=str(tiny_model), pooling=pooling, prompt=prompt, precision="fp32")
        for pooling in ("mean", "cls", "last")
        for prompt in ("", "the ")
    ]
    vectors = np.concatenate([open_encoder(variant, "cpu").encode(["ada wrote the program"]) for variant in variants])
    near = np.abs(vectors[:, None] - vectors[None]).max(2) < 1e-4
    assert near.sum() == len(variants)


def test_the_fingerprint_follows_weights_and_tokenizer(tiny_model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    fingerprint = open_encoder(TextSettings(encoder=str(tiny_model))).fingerprint
    assert open_encoder(TextSettings(encoder=str(copy))).fingerprint == fingerprint
    tokenizer = copy / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"ada"', '"eve"'))
    assert open_encoder(TextSettings(encoder=str(copy))).fingerprint != fingerprint


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_a_missing_encoder_is_told_with_a_hint(tmp_path: Path, backend: Backend) -> None:
    with pytest.raises(EncoderNotFound, match="no-such") as caught:
        open_encoder(TextSettings(encoder=str(tmp_path / "no-such"), backend=backend))
    assert "text.encoder" in caught.value.hint


def test_an_unknown_name_comes_in_no_package() -> None:
    assert bundled_encoder("somebody/something") is None
