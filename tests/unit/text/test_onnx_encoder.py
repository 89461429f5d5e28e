"""The ONNX backend: kept, checked, and replaced by torch aloud."""

from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from neo4j_relpred.cli.checks import _encoder
from neo4j_relpred.config import TextSettings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.text import onnx_encoder, onnx_export
from neo4j_relpred.text.encoder import OnnxEncoder, TransformersEncoder, open_encoder
from neo4j_relpred.text.onnx_export import ExportFailed
from neo4j_relpred.text.sentences import SENTENCES


@pytest.fixture
def settings(bert: Path) -> TextSettings:
    return TextSettings(encoder=str(bert), backend="onnx")


@pytest.fixture(scope="module")
def kept(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    open_encoder(TextSettings(encoder=str(bert), backend="onnx"), "cpu", folder)
    return folder


@pytest.fixture
def exports(kept: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    import shutil

    return Path(shutil.copytree(kept, tmp_path / "exports"))


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: Any) -> None:
        raise AssertionError("exported again")

    monkeypatch.setattr(onnx_export, "_write", write)


def only_folder(exports: Path) -> Path:
    (folder,) = exports.glob("onnx-*")
    return folder


def test_an_export_is_made_once_and_kept(
    settings: TextSettings, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch)
    assert isinstance(open_encoder(settings, "cpu", exports), OnnxEncoder)
    assert {file.name for file in only_folder(exports).iterdir()} == {"model.onnx", "check.npy", "manifest.json"}


def test_without_a_folder_nothing_is_left_behind(settings: TextSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    made: list[str] = []
    folder = tempfile.TemporaryDirectory

    def noted(**options: Any) -> Any:
        found = folder(**options)
        made.append(found.name)
        return found

    monkeypatch.setattr(tempfile, "TemporaryDirectory", noted)
    assert isinstance(open_encoder(settings, "cpu"), OnnxEncoder)
    assert made
    assert not any(Path(name).exists() for name in made)


@pytest.mark.parametrize("file", ["model.onnx", "check.npy", "manifest.json"])
def test_a_damaged_export_is_made_anew_aloud(
    file: str, settings: TextSettings, exports: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = only_folder(exports) / file
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert isinstance(open_encoder(settings, "cpu", exports), OnnxEncoder)
    assert "made anew" in caplog.text


def test_a_file_of_somebody_else_is_not_loaded(
    settings: TextSettings, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = only_folder(exports) / "manifest.json"
    manifest = json.loads(place.read_text())
    place.write_text(json.dumps({**manifest, "encoder": "another"}))
    forbid(monkeypatch)
    with pytest.raises(AssertionError, match="exported again"):
        open_encoder(settings, "cpu", exports)


def test_vectors_that_differ_too_much_bring_torch_in_aloud(
    settings: TextSettings, kept: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(onnx_encoder, "LEAST_COSINE", 1.1)
    encoder = open_encoder(settings, "cpu", kept)
    assert isinstance(encoder, TransformersEncoder)
    assert "cosine" in encoder.fallback
    assert "torch encodes in its place" in caplog.text
    torch = settings.model_copy(update={"backend": "torch"})
    assert encoder.fingerprint == open_encoder(torch, "cpu").fingerprint


def test_a_model_that_cannot_be_exported_is_run_by_torch_and_the_doctor_says_so(
    settings: TextSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise ExportFailed("it is too large for one ONNX file")

    monkeypatch.setattr(onnx_export, "_export", refuse)
    predictor = SimpleNamespace(settings=SimpleNamespace(text=settings, home=tmp_path))
    check = _encoder(cast(Any, predictor))
    assert check.state == "warning"
    assert "too large" in check.found
    assert "torch" in check.hint
    assert "too large" in caplog.text
    assert list((tmp_path / "cache" / "onnx").glob("onnx-*")) == []


def test_the_doctor_names_what_runs_the_encoder(settings: TextSettings, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "onnx").symlink_to(kept)
    predictor = SimpleNamespace(settings=SimpleNamespace(text=settings, home=tmp_path))
    check = _encoder(cast(Any, predictor))
    assert (check.state, check.found) == ("ok", f"{settings.encoder}, 16 numbers a text, onnx int8 on cpu")


def test_a_missing_extra_is_named(settings: TextSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    with pytest.raises(InvalidSettings, match="onnxruntime") as caught:
        open_encoder(settings, "cpu")
    assert "pip install 'neo4j_relpred[onnx]'" in caught.value.hint


def test_exporting_sets_no_logging_up(kept: Path) -> None:
    assert not [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]


def test_causal_models_run_in_onnx(llama: Path, kept: Path) -> None:
    settings = TextSettings(encoder=str(llama), backend="onnx", pooling="last", precision="fp32")
    encoder = open_encoder(settings, "cpu", kept)
    assert isinstance(encoder, OnnxEncoder)
    exact = open_encoder(settings.model_copy(update={"backend": "torch"}), "cpu")
    assert (encoder.encode(SENTENCES) * exact.encode(SENTENCES)).sum(1).mean() > 0.98


@pytest.mark.slow
def test_the_bundled_encoder_is_faithful_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = SENTENCES[::3]
    for user in (onnx_export, onnx_encoder):
        monkeypatch.setattr(user, "SENTENCES", some)
    exact = open_encoder(TextSettings(precision="fp32"), "cpu").encode(some)
    for settings, least in ((TextSettings(), 0.999), (TextSettings(backend="onnx"), 0.985)):
        encoder = open_encoder(settings, "cpu", tmp_path)
        assert not getattr(encoder, "fallback", "")
        cosines = (encoder.encode(some) * exact).sum(1)
        assert cosines.mean() > least
        assert np.linalg.norm(encoder.encode(["ada"])) == pytest.approx(1, abs=1e-5)
