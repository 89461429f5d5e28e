"""`relpred finetune`: the encoder learns which texts belong together, from training edges alone, and is an encoder."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from neo4j_relpred.api import finetuning
from neo4j_relpred.api.cautions import tuned_otherwise
from neo4j_relpred.api.finetuning import Finetuned, finetune
from neo4j_relpred.api.training import split_snapshot
from neo4j_relpred.api.workspace import Workspace, silent
from neo4j_relpred.cli import cli
from neo4j_relpred.config import EvaluationSettings, Settings, TextSettings, TrainingSettings
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.data.snapshot import Node, Snapshot
from neo4j_relpred.errors import InvalidSettings, RelpredError, TooLittleData
from neo4j_relpred.text.encoder import open_encoder
from neo4j_relpred.text.source import find_source
from neo4j_relpred.text.tokens import Tokens
from neo4j_relpred.training import encoder
from neo4j_relpred.training.encoder import LinkEncoder, Method, fit_encoder
from neo4j_relpred.triples import Triple
from tests.synthetic import ENDLESS
from tests.unit.text.models import WORDS, tiny_bert

PAIRS = list(itertools.permutations(WORDS, 2))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def workspace(base: Path, tmp_path: Path) -> Workspace:
    return Workspace(
        Settings(
            home=tmp_path,
            text=TextSettings(encoder=str(base), precision="fp32"),
            training=TrainingSettings(max_epochs=2, holdout_share=0.2),
            evaluation=EvaluationSettings(test_share=0.1),
        )
    )


def for_epochs(workspace: Workspace, epochs: int) -> Workspace:
    settings = workspace.settings
    training = settings.training.model_copy(update={"max_epochs": epochs})
    return Workspace(settings.model_copy(update={"training": training}))


def snapshot() -> Snapshot:
    """A node for each pair of words, which leads to those for each of the words."""
    pairs = [Node(f"q{number}", f"4:q{number}", (), {"name": " ".join(pair)}) for number, pair in enumerate(PAIRS)]
    words = [Node(f"a-{word}", f"4:{word}", (), {"name": word}) for word in WORDS]
    triples = [Triple(f"q{number}", "HOLDS", f"a-{word}") for number, pair in enumerate(PAIRS) for word in pair]
    return Snapshot.of([*pairs, *words], triples)


@pytest.mark.slow
def test_texts_of_linked_nodes_find_each_other_afterwards(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neo4j_relpred.training.encoder.RATES", {"full": 3e-3})  # so small a model, so few edges
    folder = tmp_path / "tuned"
    found = finetune(for_epochs(workspace, 30), snapshot(), folder, ENDLESS, "full", silent)
    assert found.after > found.before + 0.05
    assert (found.folder, found.method, found.device) == (folder, "full", "cpu")
    text = workspace.settings.text
    tuned = open_encoder(text.model_copy(update={"encoder": str(folder)}))
    before, after = (one.encode(["ada wrote", "machine"]) for one in (open_encoder(text), tuned))
    assert before.shape == after.shape
    assert not np.allclose(before, after, atol=1e-3)


def test_right_answers_are_as_old_as_the_wrong_ones_of_earlier_batches(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else turning all vectors away from the old ones lowers the loss, and ruins the encoder (MiniLM: .33 to .11)."""
    asked: list[tuple[set[int], list[int], bool]] = []

    def spied(*args: Any) -> Tensor:
        _, _, queries, _, nodes, vectors = args
        asked.append((set(queries[:, 2].tolist()), nodes.tolist(), vectors.requires_grad))
        return loss(*args)

    loss = encoder._loss
    monkeypatch.setattr(encoder, "_loss", spied)
    monkeypatch.setattr(encoder, "TRIPLES", {"cpu": 4})
    finetune(for_epochs(workspace, 1), snapshot(), tmp_path / "tuned", ENDLESS, "full", silent)
    beside, before = asked[::2], asked[1::2]
    assert all(fresh for _, _, fresh in beside)
    assert not any(fresh for _, _, fresh in before)  # all by the slow copy, the right ones too
    assert all(answers <= set(nodes) and len(nodes) == len(set(nodes)) for answers, nodes, _ in asked)
    assert len(before[-1][1]) > len(beside[-1][1])


@pytest.mark.parametrize("method", ["full", "lora"])
def test_what_is_written_gives_the_vectors_that_were_judged(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Method
) -> None:
    """LoRA's matrices are merged into the weights, and the files hold them all."""
    kept: list[LinkEncoder] = []
    monkeypatch.setattr(finetuning, "fit_encoder", lambda *args: kept.append(fit_encoder(*args)))
    texts, folder = ["ada wrote", "the machine never ran"], tmp_path / "tuned"
    finetune(workspace, snapshot(), folder, ENDLESS, method, silent)
    text = workspace.settings.text.model_copy(update={"encoder": str(folder)})
    tokens = Tokens(text, find_source(text))
    with torch.no_grad():
        judged = kept[0](tokens(texts)).numpy()
    np.testing.assert_allclose(open_encoder(text).encode(texts), judged, atol=1e-5)


def test_no_edge_that_is_held_out_is_learnt_from(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[KnowledgeGraph] = []
    monkeypatch.setattr(finetuning, "fit_encoder", lambda _model, graph, *_: seen.append(graph))
    data = snapshot()
    finetune(workspace, data, tmp_path / "tuned", 1.0, "full", silent)
    split, _ = split_snapshot(workspace, data)
    learnt = {tuple(row) for row in seen[0].triples.tolist()}
    assert learnt == {tuple(row) for row in split.train.tolist()}
    assert not learnt & {tuple(row) for row in np.concatenate([split.holdout, split.test]).tolist()}


def test_an_encoder_that_knows_held_out_edges_is_warned_of(workspace: Workspace, tmp_path: Path) -> None:
    settings, folder = workspace.settings, tmp_path / "tuned"
    finetune(workspace, snapshot(), folder, ENDLESS, "full", silent)
    named = settings.model_copy(update={"text": settings.text.model_copy(update={"encoder": str(folder)})})
    assert not list(tuned_otherwise(named))
    other = named.model_copy(update={"training": named.training.model_copy(update={"seed": 7})})
    assert "figures flatter" in "".join(tuned_otherwise(other))
    assert not list(tuned_otherwise(workspace.settings))  # no encoder of ours


def test_too_few_edges_between_texts_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    data = snapshot()
    rows = [(data.ids[h], data.relations[r], data.ids[t]) for h, r, t in data.triples[:20].tolist()]
    ends = {end for head, _, tail in rows for end in (head, tail)}
    few = Snapshot.of([Node(end, f"4:{end}", (), {"name": "ada"}) for end in ends], [Triple(*row) for row in rows])
    with pytest.raises(TooLittleData, match="join two nodes that have a text"):
        finetune(workspace, few, tmp_path / "tuned", 1.0, "full", silent)
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(("named", "minutes", "words"), [("", 1.0, "nothing to tune"), (None, 0.0, "In no time")])
def test_what_cannot_be_tuned_is_refused(
    workspace: Workspace, tmp_path: Path, named: str | None, minutes: float, words: str
) -> None:
    settings = workspace.settings
    if named is not None:
        settings = settings.model_copy(update={"text": TextSettings(encoder=named)})
    with pytest.raises(InvalidSettings, match=words):
        finetune(Workspace(settings), snapshot(), tmp_path / "tuned", minutes, "full", silent)


# the command


def test_no_folder_is_overwritten_but_one_that_was_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for words in (["--output", "mine"], ["--output", "mine", "--force"]):
        done = CliRunner().invoke(cli, ["finetune", *words])
        assert isinstance(done.exception, RelpredError)
        assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_the_command_says_what_came_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = Finetuned(Path("relpred-encoder"), 0.31, 0.52, 1000, 4321, "full", "cpu", 61.0)
    monkeypatch.setattr("neo4j_relpred.api.RelationPredictor.finetune", lambda *_, **__: found)
    done = CliRunner().invoke(cli, ["finetune"])
    assert "0.520, 0.310 before" in done.stdout
    assert "relpred train --encoder relpred-encoder" in done.stdout
    shown = json.loads(CliRunner().invoke(cli, ["finetune", "--json"]).stdout)
    assert shown["after"] == 0.52
