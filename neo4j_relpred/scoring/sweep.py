"""What a sweep asks, and in which order: the questions that are likely to have a missing answer, first.

Of each question the best candidates of the structure member are looked up first, which takes a hundredth of the time of
answering it. Where one of them stands out from the others, an answer is likely to be missing. On CoDEx-S the eighth of
the questions that is asked first has eight tenths of all triples that would be published, and a quarter nineteen
twentieths.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.scoring.products import best_products
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.triples import EntityId, Relation, ScoredTriple

__all__ = ["Questions", "Swept", "by_lot", "by_promise", "free_tails", "questions_of"]

Mask = npt.NDArray[np.bool_]
ASKED_SHARE = 0.3  # a label whose nodes have a relation this often makes its other nodes worth asking
BARE_SHARE = 0.05  # and this often those that have no edge at all: nobody has begun them yet
SETTLED_NODES = 50  # nodes with a relation that it takes to say that one has no more than one of it
SETTLED_SHARE = 0.01  # of them may have more
LOOKED_AT = 10  # best candidates that tell whether the first stands out
LOOKED_AT_ONCE = 20_000  # questions
WAVES = (0.125, 0.25, 0.5, 1.0)  # parts of the questions: within each they go relation by relation, which saves time
DOUBLINGS = 6  # of the part of the questions that is drawn by lot
FIRST, LAST = 2.0, -1.0  # promise of new nodes, whose questions nobody has asked yet, and of what was not looked at


@dataclass(frozen=True)
class Questions:
    """Heads (n,) to ask for tails of one relation; answered: whether the graph has one answer already."""

    relation: int
    heads: IntArray
    answered: bool
    candidates: int

    @property
    def promise(self) -> tuple[bool, int]:
        """Sorts questions: those without an answer first, of them those with the fewest candidates."""
        return self.answered, self.candidates


@dataclass(frozen=True)
class Swept:
    """What a sweep found, most probable first; left: heads that were not asked about for want of time, by relation."""

    triples: list[ScoredTriple]
    left: Mapping[Relation, frozenset[EntityId]]


def settled(serving: Serving, relation: int) -> Mask:
    """(entities,): nodes that have their answer, of a relation that gives nodes one answer each."""
    counts = serving.model.graph.context[:, relation]
    having = counts > 0
    if having.sum() < SETTLED_NODES or (counts[having] > 1).mean() > SETTLED_SHARE:
        return np.zeros(len(counts), bool)
    return having


def questions_of(
    serving: Serving, relations: Iterable[int], only: Mapping[int, IntArray] | None = None
) -> tuple[list[Questions], int]:
    """Heads that have a relation and those of labels where having it is common; and how many questions are settled.

    Of heads without any edge the relation need not be as common. A question is settled where its relation gives each
    head one answer, and this head has it; and where each tail belongs to one head, and none is free. only: heads (n,)
    that are asked about, by relation.
    """
    found, left_out, bare = [], 0, serving.model.graph.degrees == 0
    for relation in relations:
        has = serving.model.graph.context[:, relation] > 0
        asked = has.copy()
        for rows in serving.label_rows.values():
            share = has[rows].mean()
            if share >= BARE_SHARE:
                asked[rows] |= bare[rows] | (share >= ASKED_SHARE)
        asked &= serving.alive
        if only is not None:
            asked &= np.isin(np.arange(len(asked)), only.get(relation, ()))
        open_ = asked & ~settled(serving, relation)
        candidates = int(free_tails(serving, relation).sum())
        if not candidates:
            open_[:] = False
        left_out += int(asked.sum() - open_.sum())
        for answered in (False, True):
            heads = np.flatnonzero(open_ & (has == answered))
            if len(heads):
                found.append(Questions(relation, heads, answered, candidates))
    return sorted(found, key=lambda questions: questions.promise), left_out


def free_tails(serving: Serving, relation: int) -> Mask:
    """(entities,): nodes of fitting labels that may get one more head."""
    return serving.fits(relation) & ~settled(serving, serving.model.graph.inverse(relation))


def by_promise(serving: Serving, asked: Sequence[Questions], seconds: float) -> Iterator[Questions]:
    """The same questions, the promising ones first, of all relations.

    When the seconds are over, those that were not looked at come last, in the order in which they came.
    """
    if not asked:
        return
    ends = time.monotonic() + seconds
    promise = np.concatenate([_promise(serving, questions, ends) for questions in asked])
    group = np.repeat(np.arange(len(asked)), [len(questions.heads) for questions in asked])
    heads = np.concatenate([questions.heads for questions in asked])
    order = np.argsort(-promise, kind="stable")
    begin = 0
    for share in WAVES:
        end = int(np.ceil(share * len(order)))
        wave = np.sort(order[begin:end])
        for number in np.unique(group[wave]).tolist():
            yield replace(asked[number], heads=heads[wave[group[wave] == number]])
        begin = end


def by_lot(asked: Sequence[Questions], rng: np.random.Generator) -> Iterator[Questions]:
    """The same questions in an order by lot, in waves that hold the same part of those of every type."""
    shuffled = [rng.permutation(questions.heads) for questions in asked]
    taken = [0] * len(asked)
    for doubling in range(DOUBLINGS, -1, -1):
        lots = {relation: rng.random() for relation in sorted({questions.relation for questions in asked})}
        for number in sorted(range(len(asked)), key=lambda number: lots[asked[number].relation]):
            heads, begin = shuffled[number], taken[number]
            taken[number] = -(-len(heads) // 2**doubling)
            if taken[number] > begin:
                yield replace(asked[number], heads=heads[begin : taken[number]])


def _promise(serving: Serving, questions: Questions, ends: float) -> npt.NDArray[np.float32]:
    """(n,): by how much the structure member prefers its first open candidate to the next ones, from 0 to 1."""
    members, graph = serving.model.members, serving.model.graph
    known = questions.heads < members.trained
    promise = np.where(known, np.float32(LAST), np.float32(FIRST))
    tails = np.flatnonzero(free_tails(serving, questions.relation)[: members.trained])
    if members.structure is None or not len(tails):
        return promise
    table = members.structure.entity[torch.from_numpy(tails)]
    place = np.full(graph.num_entities, -1)
    place[tails] = np.arange(len(tails))
    rows = np.flatnonzero(known)
    for first in range(0, len(rows), LOOKED_AT_ONCE):
        if time.monotonic() > ends:
            break
        part = rows[first : first + LOOKED_AT_ONCE]
        heads = questions.heads[part]
        relation = np.full(len(heads), questions.relation)
        of_query, answers = graph.answers(heads, relation)
        inside = place[answers] >= 0
        with torch.no_grad():
            queries = members.structure.query(torch.from_numpy(heads), torch.from_numpy(relation))
        best = best_products(queries, table, LOOKED_AT, (of_query[inside], place[answers[inside]]))
        promise[part] = torch.nan_to_num(torch.softmax(best.values, dim=1)[:, 0]).numpy()
    return promise
