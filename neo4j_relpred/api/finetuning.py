"""Tunes the text encoder to the edges of a snapshot, and keeps it as a folder that `text.encoder` can name."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neo4j_relpred.api.cautions import decides_split
from neo4j_relpred.api.training import split_snapshot
from neo4j_relpred.api.workspace import Progress, Workspace
from neo4j_relpred.data.folder import write_folder
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.errors import InvalidSettings, TooLittleData
from neo4j_relpred.evaluation.ranking import filtered_ranks, summarize
from neo4j_relpred.text.processor import device_of
from neo4j_relpred.text.source import Source, find_source
from neo4j_relpred.text.tokens import Tokens
from neo4j_relpred.text.transformers_encoder import load_model
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.cores import prepare_torch
from neo4j_relpred.training.encoder import LinkEncoder, Method, adapted, fit_encoder, merged

__all__ = ["Finetuned", "finetune"]

LONGEST = 64  # tokens of a text while the encoder is tuned; what comes later in it is read with the same weights
LEAST_TRIPLES = 20
JUDGED = 500  # held-out triples
AGAINST = 1_000  # nodes among which the other end of each is looked for
PORTION = 64  # texts encoded at once to judge


@dataclass(frozen=True)
class Finetuned:
    """What came of it: MRR of the texts alone, for held-out triples among `candidates` nodes, before and after."""

    folder: Path
    before: float
    after: float
    candidates: int
    triples: int
    method: Method
    device: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "folder": str(self.folder)}


def finetune(
    workspace: Workspace, data: Snapshot, folder: Path, minutes: float, method: Method, progress: Progress
) -> Finetuned:
    """Learns from the edges that a training with the same settings learns from, none of those that it holds out.

    Raises InvalidSettings, TooLittleData, DependencyMissing, EncoderNotFound, StorageFailed.
    """
    settings, started = workspace.settings, time.monotonic()
    if not settings.text.encoder:
        raise InvalidSettings("text.encoder is '': there is nothing to tune.", hint="Name a transformers encoder.")
    if minutes <= 0:
        raise InvalidSettings("In no time nothing is learnt.", hint="Give it a few --minutes at least.")
    device = device_of(settings.training.device, "training.device")
    prepare_torch(settings.training)
    budget = Budget.minutes(minutes)
    source = find_source(settings.text)
    short = settings.text.model_copy(update={"max_tokens": min(LONGEST, settings.text.max_tokens)})
    texts = _Texts(list(workspace.texts(data)), Tokens(short, source))
    split = split_snapshot(workspace, data)[0]
    triples, held = (part[texts.there[part[:, [0, 2]]].all(1)] for part in (split.train, split.holdout))
    if len(triples) < LEAST_TRIPLES or not len(held):
        raise TooLittleData(
            f"{len(triples)} relationships join two nodes that have a text: too few to tune an encoder on.",
            hint="Name the properties that describe nodes in graph.text, or read more labels.",
        )
    graph = workspace.graph(data, triples)
    encoder: Any = adapted(load_model(settings.text, source, device, "fp32"), method)
    width, count = int(encoder.config.hidden_size), 2 * len(data.relations)
    model = LinkEncoder(encoder, width, count, settings.text.pooling, texts.tokens.pad).to(device)
    bench = _Bench.of(texts, held, graph.with_triples(held), settings.training.seed)
    before = bench.judge(model)
    fit_encoder(
        model, graph, texts.ids, method, settings.training, budget, lambda _: progress("tune encoder", budget.fraction)
    )
    progress("tune encoder", 1.0)
    found = Finetuned(
        folder, before, bench.judge(model), len(bench.nodes), len(triples), method, device, time.monotonic() - started
    )
    about = {
        **found.to_json(),
        "base": settings.text.encoder,
        "snapshot": data.content_hash,
        "split": decides_split(settings),
    }
    write_folder(folder, lambda place: _save(merged(model.encoder), source, place), about)
    return found


class _Texts:
    """The token ids of the nodes' texts, made when they are asked for. there: (nodes,) whether there are any."""

    def __init__(self, texts: list[str], tokens: Tokens) -> None:
        self.tokens, self._texts, self._kept = tokens, texts, dict[int, list[int]]()
        self.there = np.array([bool(text) and not text.isspace() for text in texts], bool)

    def ids(self, nodes: IntArray) -> list[list[int]]:
        """Of each node (n,), never empty."""
        new = [node for node in nodes.tolist() if node not in self._kept]
        for node, row in zip(new, self.tokens([self._texts[node] for node in new]) if new else (), strict=True):
            self._kept[node] = row or [self.tokens.pad]
        return [self._kept[node] for node in nodes.tolist()]


@dataclass(frozen=True)
class _Bench:
    """Held-out triples (n, 3) both of whose ends are among nodes (c,), sorted."""

    texts: _Texts
    triples: IntArray
    nodes: IntArray
    known: KnowledgeGraph

    @classmethod
    def of(cls, texts: _Texts, held: IntArray, known: KnowledgeGraph, seed: int) -> _Bench:
        """The same triples and nodes before and after."""
        rng = np.random.default_rng([seed, 9])
        triples = rng.permutation(held)[:JUDGED]
        ends, others = np.unique(triples[:, [0, 2]]), rng.permutation(np.flatnonzero(texts.there))
        nodes = np.concatenate([ends, others[~np.isin(others, ends)]])[: max(AGAINST, len(ends))]
        return cls(texts, triples, np.sort(nodes), known)

    @torch.no_grad()
    def judge(self, model: LinkEncoder) -> float:
        """MRR of both ends of the triples, filtered."""
        model.train(mode=False)
        parts = np.split(self.nodes, range(PORTION, len(self.nodes), PORTION))
        vectors = torch.cat([model(self.texts.ids(part)) for part in parts])  # (c, width)
        asked = both_directions(self.triples, self.known.num_relations)
        anchors, targets = (np.searchsorted(self.nodes, asked[:, column]) for column in (0, 2))
        place = torch.from_numpy(anchors).to(vectors.device)
        query = model.query(vectors[place], torch.from_numpy(asked[:, 1]).to(vectors.device))
        rows, answers = self.known.answers(asked[:, 0], asked[:, 1])
        column = np.minimum(np.searchsorted(self.nodes, answers), len(self.nodes) - 1)
        there = self.nodes[column] == answers
        known = np.zeros((len(asked), len(self.nodes)), bool)
        known[rows[there], column[there]] = True
        known[np.arange(len(asked)), anchors] = True  # a text is most like itself, and no answer
        return summarize(filtered_ranks((query @ vectors.T).double().cpu().numpy(), targets, known)).mrr


def _save(encoder: Any, source: Source, folder: Path) -> None:
    from transformers import AutoTokenizer

    encoder.to("cpu").save_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(source.place, trust_remote_code=False)
    tokenizer.save_pretrained(folder)
