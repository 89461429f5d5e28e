"""What in a snapshot a reader of the report should know: it can be trained on, but teaches less than it seems to."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neo4j_relpred.config import Settings
from neo4j_relpred.data.folder import MANIFEST
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.text.vectors import Vectors

__all__ = ["cautions", "decides_split", "is_tuned", "tuned_otherwise"]

MOST_NAMED = 5
HUB = 0.5  # share of the relationships
FEW, BOTH_WAYS = 20, 0.9  # edges of a type, and the share of them that stands there the other way round, too


def cautions(data: Snapshot, vectors: Vectors, symmetric: Collection[str] = ()) -> Iterator[str]:
    """Sentences for the report. vectors: (nodes, text width); symmetric: types that are known to hold both ways."""
    triples = data.triples
    parallel = data.edges.num_rows - len(triples)
    if parallel:
        yield f"{parallel} relationships repeat others of the same type between the same nodes: each counts once."
    if not vectors.shape[1]:
        yield "No node has a text: the model sees structure and labels' edges alone."
    elif len(vectors) > 1 and (vectors == vectors[0]).all():
        yield "All texts are equal: they tell no node from another."
    if len(data.relations) == 1:
        yield "There is one relationship type: relation figures say nothing."
    single = [name for name, count in zip(data.relations, np.bincount(triples[:, 1]), strict=True) if count == 1]
    if single:
        named = ", ".join(single[:MOST_NAMED]) + (", ..." if len(single) > MOST_NAMED else "")
        yield f"{len(single)} of {len(data.relations)} types have one relationship each, so none to test on: {named}."
    twice = [name for name in _stored_both_ways(data) if name not in symmetric]
    if twice:
        named = ", ".join(twice[:MOST_NAMED]) + (", ..." if len(twice) > MOST_NAMED else "")
        yield (
            f"Nearly every relationship of {named} stands there the other way round, too, which gives the ones held "
            "out away. Where that is no chance, name the type in graph.symmetric."
        )
    loops = triples[:, 0] == triples[:, 2]
    if loops.all():
        yield "Every relationship leads from a node back to itself: nothing says which nodes belong together."
    else:
        degrees = np.bincount(triples[~loops][:, [0, 2]].ravel(), minlength=len(data.ids))
        share = degrees.max() / len(triples)
        if share > HUB and len(data.ids) > 2:
            yield f"{share:.0%} of the relationships touch the node {data.ids[int(degrees.argmax())]}."


def _stored_both_ways(data: Snapshot) -> Iterator[str]:
    """Types of edges between different nodes, of which hardly any lacks the one the other way round."""
    triples = data.triples[data.triples[:, 0] != data.triples[:, 2]]
    graph = KnowledgeGraph(len(data.ids), len(data.relations), data.triples)
    counts = np.bincount(triples[:, 1], minlength=len(data.relations))
    both = np.bincount(triples[graph.holds(triples[:, ::-1]), 1], minlength=len(data.relations))
    for name, count, number in zip(data.relations, counts.tolist(), both.tolist(), strict=True):
        if count >= FEW and number >= BOTH_WAYS * count:
            yield name


def tuned_otherwise(settings: Settings) -> Iterator[str]:
    """A sentence where the text encoder has learnt from edges that a training with these settings holds out."""
    if _tuned_with(Path(settings.text.encoder)) not in (None, decides_split(settings)):
        yield (
            "The text encoder was tuned with another training.seed, training.holdout_share or evaluation.test_share: "
            "it has learnt from edges that are held out here, and the figures flatter."
        )


def is_tuned(folder: Path) -> bool:
    """Whether `relpred finetune` wrote it."""
    return _tuned_with(folder) is not None


def _tuned_with(folder: Path) -> Any:
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about.get("split") if isinstance(about, dict) else None


def decides_split(settings: Settings) -> list[float | str]:
    """What decides which edges of a graph without dates are held out."""
    shares = settings.training.holdout_share, settings.evaluation.test_share
    return [settings.training.seed, *shares, *sorted(settings.graph.symmetric)]
