"""A new version beside the live one: both answer the same questions about the present graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neo4j_relpred.api.cautions import MOST_NAMED, decides_split
from neo4j_relpred.api.refreshing import learnt_by
from neo4j_relpred.api.workspace import Progress, Workspace
from neo4j_relpred.config import PromotionSettings, Settings
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions, closed
from neo4j_relpred.data.rejections import rows_of
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.data.splits import Split
from neo4j_relpred.errors import CheckpointCorrupt
from neo4j_relpred.evaluation.gate import Answered, Decided, Ranked, Verdict, judge, unopposed
from neo4j_relpred.evaluation.trial import Outside, Trial, try_out
from neo4j_relpred.model.checkpoint import Checkpoint
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import serve
from neo4j_relpred.text.vectors import Vectors
from neo4j_relpred.training.cores import workers_asking
from neo4j_relpred.triples import Relation, ScoredTriple, Triple

__all__ = ["compare_with_live", "held_out_by"]

MOST_DECISIONS = 1_000  # the rest, drawn by lot, is not asked about


def held_out_by(settings: Settings) -> list[float | str | None]:
    """What decides which edges are held out: versions where it is the same have not learnt from one another's tests."""
    file = settings.evaluation.test_file
    return [*decides_split(settings), settings.graph.time_property, None if file is None else str(file)]


@dataclass(frozen=True)
class _Questions:
    """What both are asked about a snapshot.

    vectors: (nodes, text width); seen, asked: (n, 3) the triples that are known, those that are asked about; common:
    the types that both know; decisions: decided triples, and whether they were accepted.
    """

    data: Snapshot
    vectors: Vectors
    seen: IntArray
    asked: IntArray
    common: Set[Relation]
    decisions: Mapping[Triple, bool]


def compare_with_live(
    workspace: Workspace, data: Snapshot, split: Split, candidate: Checkpoint, vectors: Vectors, progress: Progress
) -> Verdict:
    """Whether the candidate, trained on this split of the snapshot, may go live; takes evaluation.minutes at most.

    Both rank the same test triples over a graph without them, by the relationship types that both know. Where there
    is no live version that can answer, nothing speaks against it. vectors: (nodes, text width) of the snapshot.
    """
    settings = workspace.settings
    try:
        if workspace.registry.live_version() is None:
            return unopposed("no-live-version", "No version was live before.")
        version, live = workspace.registry.load()
    except CheckpointCorrupt as error:
        return unopposed("live-unreadable", f"The live version cannot be loaded: {error.message}")
    width = live.model.centre.shape[0]
    if version.about.get("encoder") != candidate.about["encoder"] or width not in (0, vectors.shape[1]):
        return unopposed("other-encoder", f"{version.label} reads texts by another encoder.", version.label)
    common = set(data.relations) & set(live.relations)
    test = _unseen(workspace, data, split.test[_among(data.relations, common)[split.test[:, 1]]], live)
    if not len(test):
        return unopposed("nothing-in-common", f"{version.label} knows no type of the test triples.", version.label)
    decisions = _decisions(workspace, data, common)
    seen, accepted = _apart(workspace, data, np.concatenate([split.train, split.holdout]), decisions)
    asked = np.concatenate([test, accepted])
    questions = _Questions(data, vectors, seen, asked, common, decisions)
    progress("compare", 0.0)
    ours = _asked(workspace, candidate, questions)
    progress("compare", 0.5)
    theirs = _asked(workspace, live, questions)
    progress("compare", 1.0)
    decided = _decided((ours[1], theirs[1]), decisions.values()) if decisions else None
    verdict = judge(ours[0], theirs[0], asked, data.relations, settings.promotion, len(test), decided)
    caveats = _caveats(settings, data, version, live.relations)
    extent = _extent(verdict, len(decisions), settings.promotion)
    return replace(verdict, against=version.label, caveats=(*caveats, *extent))


def _unseen(workspace: Workspace, data: Snapshot, test: IntArray, live: Checkpoint) -> IntArray:
    """The test triples that the live version has not learnt from; all, where it knows every one or cannot say."""
    learnt = learnt_by(workspace, data, live)
    unseen = test if learnt is None else test[~learnt.holds(test)]
    return unseen if len(unseen) else test


def _asked(workspace: Workspace, checkpoint: Checkpoint, questions: _Questions) -> tuple[Answered, list[ScoredTriple]]:
    """What a version answers. Nodes that are gone and types that one of both lacks are no answers."""
    settings = workspace.settings
    vectors = questions.vectors if checkpoint.model.centre.shape[0] else questions.vectors[:, :0]
    serving = serve(checkpoint, questions.data, vectors, settings.graph, questions.seen)
    model, asked = serving.model, serving.moved(questions.asked, questions.data)
    outside = Outside(~serving.alive, ~_among(serving.relations, questions.common))
    known = model.graph.with_triples(asked)
    workers, seconds = workers_asking(model, settings.training), settings.evaluation.minutes * 60 / 2
    entities, relations = try_out(model, asked, known, (), seconds, workers=workers, outside=outside)
    both = both_directions(asked, known.num_relations)
    scorer = Scorer(serving, settings.training.base_rate)
    answered = Answered(_in_order(entities, both, known), _in_order(relations, asked, known))
    return answered, scorer.score(list(questions.decisions))


def _among(relations: Sequence[Relation], chosen: Set[Relation]) -> npt.NDArray[np.bool_]:
    """(R,): which relations are among the chosen ones."""
    return np.array([relation in chosen for relation in relations], bool)


def _in_order(trial: Trial, questions: IntArray, graph: KnowledgeGraph) -> Ranked:
    """What a trial found about questions (q, 3), inverses too, in their order."""
    types = KnowledgeGraph(graph.num_entities, 2 * graph.num_relations, questions[:0])  # each inverse one of its own
    keys = types.keys(questions)
    order = np.argsort(keys)
    place = order[np.searchsorted(keys[order], types.keys(trial.queries()))]
    ranks, first = np.full(len(questions), np.nan), np.full((len(questions), 2), np.nan)
    ranks[place], first[place] = trial.ranks().realistic, np.concatenate(trial.first)[:, :2]
    return Ranked(ranks, first)


def _decisions(workspace: Workspace, data: Snapshot, common: Set[Relation]) -> dict[Triple, bool]:
    """Decided triples that both models can be asked about, and whether they were accepted."""
    every = {**dict.fromkeys(workspace.acceptances.read(), True), **dict.fromkeys(workspace.rejections.read(), False)}
    known = [one for one in every if {one.head, one.tail} <= data.index.keys() and one.relation in common]
    some = np.random.default_rng(0).permutation(len(known))[:MOST_DECISIONS]
    return {known[row]: every[known[row]] for row in some.tolist()}


def _apart(
    workspace: Workspace, data: Snapshot, seen: IntArray, decisions: Mapping[Triple, bool]
) -> tuple[IntArray, IntArray]:
    """Known triples (n, 3) without those that people accepted, and these: they are asked about, and not given away."""
    graph = workspace.graph(data, seen)
    rows = rows_of((triple for triple, accepted in decisions.items() if accepted), data.index, data.relation_index)
    accepted = rows[graph.holds(rows)]
    stated = closed(accepted, graph.symmetric)
    return seen[~np.isin(graph.keys(seen), graph.keys(stated))], accepted


def _decided(scores: Sequence[Sequence[ScoredTriple]], accepted: Iterable[bool]) -> Decided:
    """scores: of the candidate and of the live model."""
    probabilities = np.array([[one.probability for one in side] for side in scores]).T
    return Decided(probabilities, np.array(list(accepted), bool))


def _caveats(settings: Settings, data: Snapshot, version: ModelVersion, known: Sequence[Relation]) -> Iterator[str]:
    """What a reader should know of how the two were compared."""
    recorded = version.about.get("heldOutBy")
    if recorded != held_out_by(settings):
        other = "did not record how its edges were held out" if recorded is None else "held out other edges"
        yield f"{version.label} {other}: it may have learnt from some that it is asked about here, which speaks for it."
    new, gone = sorted(set(data.relations) - set(known)), sorted(set(known) - set(data.relations))
    if new:
        yield f"Types that {version.label} does not know were left out: {_named(new)}."
    if gone:
        yield f"Types that the graph has no more were left out: {_named(gone)}."


def _extent(verdict: Verdict, decisions: int, settings: PromotionSettings) -> Iterator[str]:
    if verdict.triples < verdict.of:
        yield (
            f"Time (evaluation.minutes) allowed for {verdict.triples:,} of {verdict.of:,} test triples, drawn by lot."
        )
    if decisions >= settings.decisions:
        yield "The new version may have learnt from the decisions, the live one from the older of them."
    elif decisions:
        yield f"{decisions} decisions are too few to count (promotion.decisions)."


def _named(types: Sequence[Relation]) -> str:
    return ", ".join(types[:MOST_NAMED]) + (", ..." if len(types) > MOST_NAMED else "")
