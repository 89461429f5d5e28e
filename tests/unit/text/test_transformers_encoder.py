"""Models of other kinds than BERT, half precision, and what cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from neo4j_relpred.config import Pooling, TextSettings
from neo4j_relpred.errors import EncoderNotFound, InvalidSettings
from neo4j_relpred.text import encoder as encoder_room
from neo4j_relpred.text import transformers_encoder
from neo4j_relpred.text.cache import CachedEncoder
from neo4j_relpred.text.encoder import TransformersEncoder, lazy_encoder, open_encoder
from neo4j_relpred.text.sentences import SENTENCES
from neo4j_relpred.text.transformers_encoder import pool
from tests.unit.text.models import bytes_tokenizer, tiny_causal

TEXTS = ["ada", "ada wrote the first program", "漢字", "a machine that never ran and never will", "x"]


@pytest.mark.parametrize(
    ("pooling", "expected"), [("last", [4.0, 5.0]), ("mean", [3.0, 4.0]), ("cls", [2.0, 3.0])], ids=str
)
@pytest.mark.parametrize("left", [0, 2])
def test_padding_is_left_out_whichever_side_it_is_on(pooling: Pooling, expected: list[float], left: int) -> None:
    hidden = torch.full((1, 4, 2), 99.0)
    mask = torch.zeros(1, 4, dtype=torch.long)
    hidden[0, left : left + 2] = torch.tensor([[2.0, 3.0], [4.0, 5.0]])
    mask[0, left : left + 2] = 1
    pooled = pool(hidden, mask, pooling)
    torch.testing.assert_close(pooled, torch.nn.functional.normalize(torch.tensor([expected]), dim=-1))


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_causal_models_give_the_vector_of_the_last_token(
    kind: Literal["llama", "gpt2"], padding: str, tmp_path: Path
) -> None:
    folder = tiny_causal(tmp_path, kind, padding=padding)
    encoder = TransformersEncoder(TextSettings(encoder=str(folder), pooling="last", precision="fp32"))
    found = encoder.encode(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        ids = torch.tensor([bytes_tokenizer()(text)["input_ids"]])
        with torch.inference_mode():
            last = encoder._model(input_ids=ids).last_hidden_state[0, -1]
        np.testing.assert_allclose(vector, torch.nn.functional.normalize(last, dim=0).numpy(), atol=1e-5)


def test_an_encoder_with_a_decoder_is_told_apart(tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    bytes_tokenizer().save_pretrained(tmp_path)
    config = T5Config(vocab_size=257, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path)
    with pytest.raises(EncoderNotFound, match="decoder"):
        open_encoder(TextSettings(encoder=str(tmp_path)))


def test_a_model_that_reads_no_text_is_told(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    bytes_tokenizer().save_pretrained(tmp_path)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=8
    )
    ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(EncoderNotFound, match="cannot be used"):
        open_encoder(TextSettings(encoder=str(tmp_path)))


def test_weights_that_lack_are_not_filled_with_random_numbers(llama: Path, tmp_path: Path) -> None:
    for file in llama.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    lacking = next(name for name in weights if "mlp" in name)
    del weights[lacking]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderNotFound, match="not whole"):
        open_encoder(TextSettings(encoder=str(tmp_path)))


def test_damaged_weights_are_told(bert: Path, tmp_path: Path) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[: 300 if file.suffix == ".safetensors" else None])
    with pytest.raises(EncoderNotFound, match="cannot be used"):
        open_encoder(TextSettings(encoder=str(tmp_path)))


def test_weights_that_would_be_unpickled_are_not_taken(bert: Path, tmp_path: Path) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(EncoderNotFound) as caught:
        open_encoder(TextSettings(encoder=str(tmp_path)))
    assert "safetensors" in caught.value.hint


@pytest.mark.parametrize("able", ["avx512_bf16", "amx_bf16", ""])
def test_auto_takes_half_precision_where_the_processor_has_it(
    able: str, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {able: True})
    encoder = TransformersEncoder(TextSettings(encoder=str(bert)))
    assert encoder.about == f"torch {'bf16' if able else 'fp32'} on cpu"


def test_auto_stays_in_full_precision_where_half_loses_too_much(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(transformers_encoder, "LEAST_COSINE", 1.1)
    encoder = TransformersEncoder(TextSettings(encoder=str(bert)))
    assert encoder.about == "torch fp32 on cpu"
    exact = TransformersEncoder(TextSettings(encoder=str(bert), precision="fp32"))
    np.testing.assert_array_equal(encoder.encode(TEXTS), exact.encode(TEXTS))


def test_auto_is_one_word_for_the_fingerprint_whatever_the_machine(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprints = set()
    for able in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {"avx512_bf16": able})
        fingerprints.add(TransformersEncoder(TextSettings(encoder=str(bert))).fingerprint)
    assert len(fingerprints) == 1


def test_what_needs_a_gpu_is_refused_without_one(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidSettings, match="fp16"):
        open_encoder(TextSettings(encoder=str(bert), precision="fp16"))
    with pytest.raises(InvalidSettings, match="GPU"):
        open_encoder(TextSettings(encoder=str(bert), device="cuda"))


def test_vectors_that_are_no_numbers_are_not_handed_on(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TransformersEncoder(TextSettings(encoder=str(bert)))
    monkeypatch.setattr(encoder, "_embed", lambda ids: np.full((len(ids), encoder.width), np.nan, np.float32))
    with pytest.raises(EncoderNotFound, match="no number") as caught:
        encoder.encode(["ada"])
    assert "fp32" in caught.value.hint


def test_the_sentences_to_check_with_are_all_different() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES) == 64


def test_weights_are_loaded_when_the_first_text_comes_and_not_for_what_is_kept(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, opened = TextSettings(encoder=str(bert), device="cpu"), list[str]()
    kept = CachedEncoder(open_encoder(settings), tmp_path / "text.sqlite").encode(TEXTS)

    def noted(settings: TextSettings, device: str) -> TransformersEncoder:
        opened.append(device)
        return TransformersEncoder(settings, device)

    monkeypatch.setattr(encoder_room, "TransformersEncoder", noted)
    cache = CachedEncoder(lazy_encoder(settings), tmp_path / "text.sqlite")
    np.testing.assert_array_equal(cache.encode(TEXTS), kept)
    assert (cache.width, opened) == (kept.shape[1], [])
    cache.encode(["one more text"])
    cache.open()
    assert opened == ["cpu"]


def test_of_a_lazy_encoder_what_needs_no_weights_is_told_at_once(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderNotFound):
        lazy_encoder(TextSettings(encoder=str(tmp_path)))
    assert lazy_encoder(TextSettings(encoder="")).width == 0
    eager = open_encoder(TextSettings(encoder=str(bert)))
    assert lazy_encoder(TextSettings(encoder=str(bert))).fingerprint == eager.fingerprint
