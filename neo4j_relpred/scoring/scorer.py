"""Answers queries, scores given triples, and sweeps a whole graph for what to publish."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from neo4j_relpred.config import PublishingSettings
from neo4j_relpred.data.explanation import Explanation
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph
from neo4j_relpred.model.chunks import chunk_bytes, chunks_by_relation
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.trained import EntityAnswers
from neo4j_relpred.scoring.affected import Heads, affected
from neo4j_relpred.scoring.estimate import Estimate, TypeEstimate
from neo4j_relpred.scoring.evidence import ENTITY_COLUMNS, RELATION_COLUMNS, explain, shares_of_each
from neo4j_relpred.scoring.explaining import explained
from neo4j_relpred.scoring.limits import least_probability, limit
from neo4j_relpred.scoring.rates import reasoned
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.scoring.sweep import Questions, Swept, by_lot, by_promise, free_tails, questions_of
from neo4j_relpred.scoring.threads import Course, shared_out
from neo4j_relpred.triples import EntityId, Evidence, Part, Query, Relation, ScoredTriple, Triple

__all__ = ["Scorer"]

LOOKING_SHARE = 0.2  # of the minutes of a sweep, for what to ask first
PILOTS, PILOT = 4, 32  # types that tell what a question takes, and questions of each
PILOT_SECONDS = 2.0  # no other type is begun after so many: who asks for an estimate waits
WORTH_CHUNKS = 4  # from so many on, a list is worth another thread
SAMPLED = PublishingSettings(min_probability=0.002, top_k=5)  # of a sample, also what no publication would look at
AUDITS, MOST_AUDITED = 20, 500  # edges are taken out in so many parts at least, and not more than so many at a time

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scorer:
    """`base_rate` is the share of questions taken to have a missing answer where nobody asked (scores and sweeps).

    None goes by the kind of question, see `rates`.

    rejected: (n, 3) triples that people found false, which are no answers. workers: threads that a sweep or a long list
    may take.
    """

    serving: Serving
    base_rate: float | None = None
    rejected: IntArray = field(default_factory=lambda: np.empty((0, 3), np.int64))
    workers: int = 1

    @cached_property
    def _false(self) -> KnowledgeGraph:
        """The rejected triples as a graph, which can be asked for them in both directions."""
        graph = self.serving.model.graph
        return KnowledgeGraph.of(graph.num_entities, graph.num_relations, self.rejected, graph.symmetric)

    @property
    def symmetric(self) -> frozenset[Relation]:
        """The types whose direction says nothing."""
        return frozenset(self.serving.relations[row] for row in self.serving.model.graph.symmetric)

    def _open(self, relation: int, anchors: IntArray, answers: EntityAnswers) -> npt.NDArray[np.bool_]:
        """(q, c): candidates that are real, not the anchor itself, and were not rejected."""
        free: npt.NDArray[np.bool_] = answers.real & (answers.candidates != anchors[:, None])
        if len(self.rejected):
            rows, wrong = self._false.answers(anchors, np.full(len(anchors), relation))
            for row, entity in zip(rows.tolist(), wrong.tolist(), strict=True):
                free[row] &= answers.candidates[row] != entity
        return free

    def predict(self, queries: Sequence[Query], top_k: int, min_probability: float = 0.0) -> list[list[ScoredTriple]]:
        """For each query, the most probable answers that are not in the graph yet, given that it has one."""
        found: list[list[ScoredTriple]] = [[] for _ in queries]
        alike: dict[tuple[Part, Relation | None], list[int]] = {}
        for place, query in enumerate(queries):
            alike.setdefault((query.target, query.relation), []).append(place)
        for (target, relation), places in alike.items():
            asked = [queries[place] for place in places]
            if relation is None:
                answers = self._relations(asked, top_k)
            else:
                answers = self._entities(target, relation, [(one.head or one.tail or "") for one in asked], top_k)
            for place, rows in zip(places, answers, strict=True):
                found[place] = [row for row in rows if row.probability >= min_probability]
        return found

    def new(self, triples: Iterable[Triple]) -> list[Triple]:
        """Those that the graph does not have. Raises UnknownEntity, UnknownRelation."""
        given = list(triples)
        rows = np.array([self.serving.triple_row(triple) for triple in given], np.int64).reshape(-1, 3)
        return [triple for triple, held in zip(given, self.serving.model.graph.holds(rows), strict=True) if not held]

    def score(self, triples: Sequence[Triple]) -> list[ScoredTriple]:
        """Each triple as a tail query, at the base rate.

        Those that are in the graph are taken out of it before, all at once, so that none speaks for another.
        """
        rows = np.array([self.serving.triple_row(triple) for triple in triples], np.int64).reshape(-1, 3)
        judged = self._judged(rows)
        return [self._answer(h, r, t, values, {}) for (h, r, t), values in zip(rows.tolist(), judged, strict=True)]

    def explain(self, triple: Triple) -> Explanation:
        """Why `score` judges a triple as it does. Raises UnknownEntity, UnknownRelation."""
        return explained(self.serving, self.serving.triple_row(triple), self.base_rate)

    def _judged(self, rows: IntArray) -> list[tuple[float, float, int]]:
        """Logit, probability and rank of given triples (n, 3), taken out of the graph before."""
        model = self.serving.model.without(rows)
        found: list[tuple[float, float, int]] = [(0.0, 0.0, 0)] * len(rows)
        for relation, chosen in chunks_by_relation(rows[:, 1], model.graph.num_entities, model.members):
            wanted = rows[chosen, 2]
            heads = rows[chosen, 0]
            known = model.graph.answers(heads, np.full(len(heads), relation))
            proposal = model.members.propose(relation, heads, known, wanted[:, None])
            answers = reasoned(self.serving, model, relation, heads, proposal, self.base_rate)
            for line, number in enumerate(chosen.tolist()):
                place = int(np.searchsorted(answers.candidates[line], wanted[line]))
                rank = 1 + int((answers.logits[line][answers.real[line]] > answers.logits[line, place]).sum())
                found[number] = float(answers.logits[line, place]), float(answers.probabilities[line, place]), rank
        return found

    def audit(
        self,
        relations: Iterable[Relation],
        most: int,
        minutes: float,
        progress: Callable[[int, int], None] = lambda done, total: None,
        say: Callable[[str], None] = log.warning,
    ) -> list[ScoredTriple]:
        """The edges of the graph that look least probable, the least first.

        A few at a time are taken out of the graph, and judged by what is left of it. Which ones come first is a matter
        of chance, so that what is done when the minutes are over is a fair part; `say` is told of it.
        """
        ends = time.monotonic() + minutes * 60
        graph = self.serving.model.graph
        rows = graph.triples[np.isin(graph.triples[:, 1], [self.serving.relation_row(name) for name in relations])]
        rows = rows[~graph.has_twin(rows[:, 1]) | (rows[:, 0] <= rows[:, 2])]  # of twins one is enough
        rows = rows[np.random.default_rng(0).permutation(len(rows))]
        size = max(1, min(MOST_AUDITED, len(rows) // AUDITS))
        found: list[tuple[float, list[int], tuple[float, float, int]]] = []
        for first in range(0, len(rows), size):
            if time.monotonic() > ends:
                say(f"{first:,} of {len(rows):,} relationships, drawn by lot, were looked at in {minutes:g} minutes.")
                break
            block = rows[first : first + size]
            found += [(values[1], row, values) for row, values in zip(block.tolist(), self._judged(block), strict=True)]
            found = sorted(found)[:most]
            progress(min(first + size, len(rows)), len(rows))
        return [self._answer(h, r, t, values, {}) for _, (h, r, t), values in found]

    def estimate(self, relations: Iterable[Relation], settings: PublishingSettings) -> Estimate:
        """What a sweep would ask, and how long that takes: some questions of the largest types are asked for it."""
        rows = [self.serving.relation_row(relation) for relation in relations]
        asked, settled = questions_of(self.serving, rows)
        counts: dict[int, TypeEstimate] = {}
        for questions in asked:
            name, heads = self.serving.relations[questions.relation], len(questions.heads)
            before = counts.get(questions.relation, TypeEstimate(name, 0, 0, questions.candidates))
            answered = before.answered + questions.answered * heads
            counts[questions.relation] = replace(before, heads=before.heads + heads, answered=answered)
        rng, done, started = np.random.default_rng(0), 0, time.monotonic()
        for questions in sorted(asked, key=lambda questions: -len(questions.heads))[:PILOTS]:
            if time.monotonic() - started > PILOT_SECONDS:
                break
            some = rng.choice(questions.heads, min(PILOT, len(questions.heads)), replace=False)
            done += len(some)
            tails = free_tails(self.serving, questions.relation)
            for _ in self._swept(self.serving.model.members, questions.relation, some, tails, settings):
                pass  # it is the time that counts
        pace = (time.monotonic() - started) / max(1, done)
        nodes = int(self.serving.alive.sum())
        memory = chunk_bytes(self.serving.model.graph.num_entities)
        return Estimate.of(list(counts.values()), nodes * nodes * len(rows), settled, pace, memory, settings.minutes)

    def sweep(
        self,
        relations: Iterable[Relation],
        settings: PublishingSettings,
        progress: Callable[[int, int], None] = lambda done, total: None,
        say: Callable[[str], None] = log.warning,
        heads: Heads | None = None,
    ) -> Swept:
        """The best new tails of every head that may have one, by the limits of the settings, most probable first.

        Questions are asked in the order of their promise until `settings.minutes` are over. `say` is told what was
        left out. heads: only these are asked about. Of several workers each asks about relations of its own, and any
        of them tells of the progress.
        """
        ends = time.monotonic() + settings.minutes * 60
        wanted = [self.serving.relation_row(relation) for relation in relations]
        asked, settled = questions_of(self.serving, wanted, None if heads is None else self._rows_of(heads))
        if settled:
            log.info("%s questions not asked: they have the one answer that such questions have", f"{settled:,}")
        ordered = list(by_promise(self.serving, asked, settings.minutes * 60 * LOOKING_SHARE))
        course = Course(sum(len(questions.heads) for questions in asked), ends, progress)
        results = self._all_asked(ordered, settings, course)
        if course.done < course.total:
            say(
                f"Scoring stopped after {settings.minutes:g} minutes (publishing.minutes): {course.done:,} of "
                f"{course.total:,} questions were asked, the most promising first."
            )
        found, left = list[ScoredTriple](), dict[int, list[int]]()
        for questions, (triples, unasked) in zip(ordered, results, strict=True):
            found += triples
            left.setdefault(questions.relation, []).extend(unasked.tolist())
        names = self.serving.entities
        later = {self.serving.relations[row]: frozenset(names[head] for head in heads) for row, heads in left.items()}
        return Swept(limit(found, settings, self.symmetric).triples, later)

    def sample(self, seconds: float, rng: np.random.Generator) -> list[ScoredTriple]:
        """What a sweep would find of all types, by questions that are drawn by lot, as many as there is time for."""
        asked, _ = questions_of(self.serving, range(len(self.serving.relations)))
        drawn = list(by_lot(asked, rng))
        course = Course(sum(len(one.heads) for one in drawn), time.monotonic() + seconds, lambda done, total: None)
        return list(chain.from_iterable(found for found, _ in self._all_asked(drawn, SAMPLED, course)))

    def _all_asked(
        self, ordered: Sequence[Questions], settings: PublishingSettings, course: Course
    ) -> list[tuple[list[ScoredTriple], IntArray]]:
        """What `_asked` says of each, by some threads."""
        parts, results = shared_out(ordered, self.workers), dict[int, tuple[list[ScoredTriple], IntArray]]()

        def ask(members: Members, part: Sequence[int]) -> None:
            with course.stops():
                for place in part:
                    results[place] = self._asked(members, ordered[place], settings, course)

        with ThreadPoolExecutor(max(1, len(parts))) as pool, course.stops():
            members = self.serving.model.members
            others = [pool.submit(ask, members.apart(), part) for part in parts[1:]]
            for part in parts[:1]:
                ask(members, part)
            for other in others:
                other.result()
        return [results[place] for place in range(len(ordered))]

    def _asked(
        self, members: Members, questions: Questions, settings: PublishingSettings, course: Course
    ) -> tuple[list[ScoredTriple], IntArray]:
        """What was found for some questions, and the heads that were not asked about when the time was over."""
        found, asked_until = list[ScoredTriple](), 0
        tails, entities = free_tails(self.serving, questions.relation), self.serving.model.graph.num_entities
        of_one_relation = np.full(0 if course.over else len(questions.heads), questions.relation)
        for relation, rows in chunks_by_relation(of_one_relation, entities, members):
            if course.over:
                break
            found.extend(self._swept(members, relation, questions.heads[rows], tails, settings))
            asked_until = int(rows[-1]) + 1
            course.more(len(rows))
        return found, questions.heads[asked_until:]

    def affected(
        self, relations: Iterable[Relation], changed: Collection[EntityId], text: Collection[EntityId], least: float
    ) -> Heads:
        """What to ask again after a change, see `scoring.affected`."""
        return affected(self.serving, relations, changed, text, least)

    def _rows_of(self, heads: Heads) -> dict[int, IntArray]:
        """The same by row; nodes that the serving model lacks are left out."""
        rows = self.serving.rows
        return {
            self.serving.relation_row(relation): np.array([rows[name] for name in names if name in rows], np.int64)
            for relation, names in heads.items()
        }

    def _swept(
        self,
        members: Members,
        relation: int,
        heads: IntArray,
        tails: npt.NDArray[np.bool_],
        settings: PublishingSettings,
    ) -> Iterator[ScoredTriple]:
        """members: who proposes, in a thread of their own; tails: (entities,) which may be an answer."""
        model = self.serving.model
        known = model.graph.answers(heads, np.full(len(heads), relation))
        proposal = members.propose(relation, heads, known)
        answers = reasoned(self.serving, model, relation, heads, proposal, self.base_rate)
        fits = tails[answers.candidates] & self._open(relation, heads, answers)
        probabilities = np.where(fits, answers.probabilities, 0.0)
        least = least_probability(settings)
        lines = np.flatnonzero(probabilities.max(1) >= least)
        orders = [_best(row, row >= least, settings.top_k) for row in probabilities[lines]]
        features, asked = proposal.features[lines], np.array([relation])
        reasons = shares_of_each(model.entity_reasoner, features, asked, orders, ENTITY_COLUMNS)
        for line, order, shares in zip(lines.tolist(), orders, reasons, strict=True):
            for rank, (place, share) in enumerate(zip(order.tolist(), shares, strict=True), start=1):
                values = float(answers.logits[line, place]), float(probabilities[line, place]), rank
                tail = int(answers.candidates[line, place])
                yield self._answer(int(heads[line]), relation, tail, values, share)

    def _entities(
        self, target: Part, name: Relation, given: Sequence[EntityId], top_k: int
    ) -> Iterator[list[ScoredTriple]]:
        """The best tails of given heads, or heads of given tails. Long lists are asked by several threads."""
        serving, model = self.serving, self.serving.model
        relation = serving.relation_row(name)
        step = model.graph.inverse(relation) if target == "head" else relation
        anchors, every = np.array([serving.row(entity) for entity in given]), np.full(len(given), step)
        chunks = [anchors[rows] for _, rows in chunks_by_relation(every, model.graph.num_entities, model.members)]
        workers = self.workers if len(chunks) >= WORTH_CHUNKS else 1

        def ask(members: Members, some: Sequence[IntArray]) -> list[list[list[ScoredTriple]]]:
            return [self._answered(members, relation, step, chunk, top_k) for chunk in some]

        found: list[list[list[ScoredTriple]]] = [[] for _ in chunks]
        with ThreadPoolExecutor(workers) as pool:
            others = [pool.submit(ask, model.members.other(n), chunks[n::workers]) for n in range(1, workers)]
            found[::workers] = ask(model.members, chunks[::workers])
            for number, other in enumerate(others, start=1):
                found[number::workers] = other.result()
        return chain.from_iterable(found)

    def _answered(
        self, members: Members, relation: int, step: int, anchors: IntArray, top_k: int
    ) -> list[list[ScoredTriple]]:
        """What these members and the reasoner answer. step: the relation, or its inverse where heads are asked for."""
        model = self.serving.model
        known = model.graph.answers(anchors, np.full(len(anchors), step))
        proposal = members.propose(step, anchors, known)
        answers = model.reason(step, proposal)
        keep = self.serving.alive[answers.candidates] & self._open(step, anchors, answers)
        orders = [_best(logits, kept, top_k) for logits, kept in zip(answers.logits, keep, strict=True)]
        asked, found = np.array([step]), []
        reasons = shares_of_each(model.entity_reasoner, proposal.features, asked, orders, ENTITY_COLUMNS)
        for line, (anchor, order, shares) in enumerate(zip(anchors.tolist(), orders, reasons, strict=True)):
            rows = []
            for rank, (place, share) in enumerate(zip(order.tolist(), shares, strict=True), start=1):
                other = int(answers.candidates[line, place])
                head, tail = (anchor, other) if step == relation else (other, anchor)
                values = float(answers.logits[line, place]), float(answers.probabilities[line, place]), rank
                rows.append(self._answer(head, relation, tail, values, share))
            found.append(rows)
        return found

    def _relations(self, queries: Sequence[Query], top_k: int) -> Iterator[list[ScoredTriple]]:
        serving, model = self.serving, self.serving.model
        heads = np.array([serving.row(query.head or "") for query in queries])
        tails = np.array([serving.row(query.tail or "") for query in queries])
        known, wrong = model.known_relations(heads, tails), self._false.linking_relations(heads, tails)
        answers = model.answer_relations(heads, tails, known)
        keep = np.ones(answers.logits.shape, bool)
        keep[known] = False
        forward = wrong[1] < len(serving.relations)
        keep[wrong[0][forward], wrong[1][forward]] = False
        every = np.arange(len(serving.relations))
        orders = [_best(logits, kept, top_k) for logits, kept in zip(answers.logits, keep, strict=True)]
        reasons = shares_of_each(model.relation_reasoner, answers.features, every, orders, RELATION_COLUMNS)
        for line, (head, tail, shares) in enumerate(zip(heads.tolist(), tails.tolist(), reasons, strict=True)):
            order, found = orders[line], []
            for rank, (relation, share) in enumerate(zip(order.tolist(), shares, strict=True), start=1):
                values = float(answers.logits[line, relation]), float(answers.probabilities[line, relation]), rank
                found.append(self._answer(head, relation, tail, values, share))
            yield found

    def _answer(
        self, head: int, relation: int, tail: int, values: tuple[float, float, int], shares: dict[str, float]
    ) -> ScoredTriple:
        serving = self.serving
        triple = Triple(serving.entities[head], serving.relations[relation], serving.entities[tail])
        evidence: Evidence = explain(serving, head, relation, tail, shares)
        return ScoredTriple(triple, *values, evidence)


def _best(scores: npt.NDArray[np.float64], keep: npt.NDArray[np.bool_], top_k: int) -> IntArray:
    """Places of the best candidates that are kept."""
    order: IntArray = np.argsort(-scores, kind="stable")
    return order[keep[order]][:top_k]
