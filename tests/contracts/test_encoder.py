"""What every encoder promises, shown on a small transformers model that is made on the spot."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from neo4j_relpred.config import Pooling, TextSettings, choices
from neo4j_relpred.errors import EncoderNotFound
from neo4j_relpred.text.encoder import Encoder, NoEncoder, TransformersEncoder, bundled_encoder, open_encoder

WORDS = ("ada", "wrote", "the", "first", "program", "for", "a", "machine", "that", "never", "ran")
TEXTS = ["ada wrote", "the first program for a machine that never ran", "", "ada", "machine ran", "ada wrote", "  "]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small BERT layers and a WordPiece tokenizer in a folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: row for row, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("encoder")
    marks = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    wrapped: Any = PreTrainedTokenizerFast
    wrapped(tokenizer_object=tokenizer, **marks).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,  # wide, so that tokens change each other
    )
    BertModel(config).save_pretrained(folder)
    return folder


class EncoderContract:
    """Subclasses give a fixture `encoder`."""

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
        np.testing.assert_allclose(together, alone, atol=1e-5)

    def test_the_order_of_texts_does_not_matter(self, encoder: Encoder) -> None:
        np.testing.assert_allclose(encoder.encode(TEXTS[::-1])[::-1], encoder.encode(TEXTS), atol=1e-5)

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


class TransformersContract(EncoderContract):
    pooling: ClassVar[Pooling]

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, tiny_model: Path) -> Encoder:
        return open_encoder(TextSettings(encoder=str(tiny_model), pooling=cls.pooling, batch_tokens=64))

    def test_different_texts_get_different_vectors(self, encoder: Encoder) -> None:
        first, second = encoder.encode(["ada wrote the program", "the machine never ran"])
        assert first @ second < 0.9999

    def test_batches_of_any_size_give_the_same(self, encoder: Encoder, tiny_model: Path) -> None:
        settings = TextSettings(encoder=str(tiny_model), pooling=self.pooling, batch_tokens=100_000)
        np.testing.assert_allclose(open_encoder(settings).encode(TEXTS), encoder.encode(TEXTS), atol=1e-5)


class TestMeanPooling(TransformersContract):
    pooling = "mean"


class TestClsPooling(TransformersContract):
    pooling = "cls"


class TestLastPooling(TransformersContract):
    pooling = "last"


def test_every_pooling_of_the_settings_keeps_the_contract() -> None:
    assert {contract.pooling for contract in TransformersContract.__subclasses__()} == set(choices(Pooling))


def test_poolings_and_prompts_give_different_vectors_and_fingerprints(tiny_model: Path) -> None:
    variants = [
        TextSettings(encoder=str(tiny_model), pooling=pooling, prompt=prompt)
        for pooling in ("mean", "cls", "last")
        for prompt in ("", "the ")
    ]
    encoders = [open_encoder(settings) for settings in variants]
    assert len({encoder.fingerprint for encoder in encoders}) == len(variants)
    vectors = np.concatenate([encoder.encode(["ada wrote the program"]) for encoder in encoders])
    near = np.abs(vectors[:, None] - vectors[None]).max(2) < 1e-4
    assert near.sum() == len(variants)


@dataclass
class Shown:
    """A model whose token vectors are its token ids, one-hot."""

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Shown:
        self.last_hidden_state = torch.nn.functional.one_hot(input_ids, 8).float()
        return self


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("last", [0, 0, 0, 0, 0, 1, 0, 0]), ("mean", [0, 0, 0, 0, 2**-0.5, 2**-0.5, 0, 0])],
)
@pytest.mark.parametrize("row", [[0, 0, 4, 5], [4, 5, 0, 0]], ids=["left", "right"])
def test_padding_is_left_out_whichever_side_it_is_on(
    pooling: Pooling, expected: list[float], row: list[int], tiny_model: Path
) -> None:
    encoder = TransformersEncoder(TextSettings(encoder=str(tiny_model), pooling=pooling))
    encoder._model = Shown()
    ids = torch.tensor([row])
    pooled = encoder._embed({"input_ids": ids, "attention_mask": (ids > 0).long()})
    np.testing.assert_allclose(pooled, [expected], atol=1e-5)


def test_texts_are_cut_at_the_most_tokens(tiny_model: Path) -> None:
    encoder = open_encoder(TextSettings(encoder=str(tiny_model), max_tokens=8))
    long = "ada wrote the first program for a machine"
    cut, same = encoder.encode([long, "ada wrote the first program for"])  # six words and two marks
    np.testing.assert_allclose(cut, same, atol=1e-5)


def test_the_fingerprint_follows_weights_and_tokenizer(tiny_model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    fingerprint = open_encoder(TextSettings(encoder=str(tiny_model))).fingerprint
    assert open_encoder(TextSettings(encoder=str(copy))).fingerprint == fingerprint
    tokenizer = copy / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"ada"', '"eve"'))
    assert open_encoder(TextSettings(encoder=str(copy))).fingerprint != fingerprint


def test_a_missing_encoder_is_told_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(EncoderNotFound, match="no-such") as caught:
        open_encoder(TextSettings(encoder=str(tmp_path / "no-such")))
    assert "text.encoder" in caught.value.hint


def test_an_unknown_name_comes_in_no_package() -> None:
    assert bundled_encoder("somebody/something") is None
