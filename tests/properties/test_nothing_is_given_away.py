"""What is asked for reaches no score by any way around: held-out answers, batch-mates, copies, planted hints.

That the asked edge itself is left out of trees, counts, links and rules stands in test_leave_one_out.py.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neo4j_relpred.config import ModelSettings, ReasonerKind
from neo4j_relpred.data.knowledge_graph import IntArray, KnowledgeGraph, both_directions
from neo4j_relpred.data.splits import Split, split_triples
from neo4j_relpred.evaluation.report import Report, evaluate
from neo4j_relpred.model import chunks
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.encoding import encode_all
from neo4j_relpred.model.features import FEATURE_NAMES
from neo4j_relpred.model.grown import Start, grown
from neo4j_relpred.model.members import Members
from neo4j_relpred.model.reasoner import Reasoner, Reasoners
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.relations import RELATION_BASE, RELATION_FEATURES
from neo4j_relpred.model.rules import mine_rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.model.unasked import Unasked
from neo4j_relpred.training.baselines import Frequency, Popularity
from neo4j_relpred.training.holdout import Questions, entity_data, relation_data
from neo4j_relpred.training.negatives import known_answers
from tests.synthetic import TEXT_WIDTH, TINY_TRAINING, asked_edges, fitted, graph_of, graphs, text_for, without

KINDS = st.sampled_from(get_args(ReasonerKind))


def model_over(
    graph: KnowledgeGraph, kind: ReasonerKind = "mlp", layers: int = 1, candidates: int = 60
) -> TrainedModel:
    """Every part there is, with weights drawn by lot: what leaks does so whatever the weights are."""
    torch.manual_seed(0)
    count, width = graph.num_entities, 2 * graph.num_relations
    settings = ModelSettings(
        hidden=8,
        entity_width=2,
        structure_rank=2,
        gnn_layers=layers,
        neighbors=64,
        reasoner=kind,
        candidates=candidates,
    )
    text = text_for(graph)
    tower = Tower(count, width, TEXT_WIDTH, settings).eval()
    structure = ComplEx(count, width, 2, init=0.5)
    for part in (tower, structure):
        part.requires_grad_(requires_grad=False)
    encoded = encode_all(tower, graph, text, settings)
    members = Members(graph, text, mine_rules(graph, 2), structure, tower, encoded, settings, count)
    base = RELATION_FEATURES.index(RELATION_BASE)
    reasoners = (
        Reasoners([Reasoner(kind, len(FEATURE_NAMES), width)]).eval(),
        Reasoners([Reasoner(kind, len(RELATION_FEATURES), width, base)]).eval(),
    )
    plain = Calibration.plain(width)
    head = RelationHead(graph.num_relations, TEXT_WIDTH).eval()
    missing, unasked = np.ones((width, 2)), Unasked.plain(graph.num_relations)
    return TrainedModel(members, head, *reasoners, plain, plain, 1.0, missing, unasked, torch.zeros(TEXT_WIDTH))


# the asked edge, on the way that scores of given triples take


@given(asked_edges(), st.integers(0, 2))
def test_a_given_triple_is_scored_as_if_the_graph_had_never_held_it(
    case: tuple[KnowledgeGraph, IntArray], layers: int
) -> None:
    """All that is read of the pair; encodings of other nodes stay, so what is summed over them may move a hair."""
    graph, triple = case
    model = model_over(graph, layers=layers)
    seen, fair = model.without(triple[None]), model.over(without(graph, triple))
    head, relation, tail = triple.tolist()
    summed = {f"tower_{name}" for name in ("log_probability", "gap", "reverse", "best", "spread")} if layers else set()
    columns = [number for number, name in enumerate(FEATURE_NAMES) if name not in summed]
    for anchor, step, other in ((head, relation, tail), (tail, relation + graph.num_relations, head)):
        anchors, known = np.array([anchor]), (np.empty(0, np.int64), np.empty(0, np.int64))
        proposals = [m.members.propose(step, anchors, known, np.array([[other]])) for m in (seen, fair)]
        rows = [p.features[0, p.candidates[0] == other][0, columns] for p in proposals]
        np.testing.assert_allclose(rows[0], rows[1], rtol=1e-4, atol=1e-4)
    pairs = [m.answer_relations(np.array([head]), np.array([tail])).logits for m in (seen, fair)]
    np.testing.assert_allclose(pairs[0], pairs[1], rtol=1e-4, atol=1e-5)


@given(graphs(), st.data())
def test_copies_of_an_answer_in_a_batch_are_no_wrong_answers(graph: KnowledgeGraph, data: st.DataObject) -> None:
    """A copy was encoded for another edge, with the asked one in its tree: its likeness would give the answer away."""
    size = data.draw(st.integers(1, len(graph.triples)))
    batch = graph.triples[np.random.default_rng(size).permutation(len(graph.triples))[:size]]
    queries = both_directions(batch, graph.num_relations)
    negatives = np.arange(graph.num_entities)
    candidates, own = np.concatenate([queries[:, 0], negatives]), np.roll(np.arange(2 * size), -size)
    masked = known_answers(graph, queries, candidates, own).numpy()
    held = {(h, r, t) for h, r, t in graph.edges.tolist()}
    for row, (anchor, relation, _) in enumerate(queries.tolist()):
        for column, candidate in enumerate(candidates.tolist()):
            true = (anchor, relation, candidate) in held
            assert masked[row, column] == (true and column != own[row])


# held-out answers


@given(graphs(max_triples=20), st.data())
def test_what_is_read_of_held_out_questions_does_not_depend_on_their_answers(
    graph: KnowledgeGraph, data: st.DataObject
) -> None:
    held = graph.triples[: max(1, len(graph.triples) // 3)]
    model = model_over(KnowledgeGraph(graph.num_entities, graph.num_relations, graph.triples[len(held) :]))
    others = held.copy()
    ends = st.integers(0, graph.num_entities - 1)
    others[:, 2] = data.draw(st.lists(ends, min_size=len(held), max_size=len(held)))
    both = [Questions.of_entities(t, graph.num_relations, np.random.default_rng(0)) for t in (held, others)]
    first, second = (entity_data(model.members, questions) for questions in both)
    shared = {tuple(row) for row in both[0].asked.tolist()} & {tuple(row) for row in both[1].asked.tolist()}
    assert shared  # tail questions at least
    for question in shared:
        places = [int(np.flatnonzero((questions.asked == question).all(1))[0]) for questions in both]
        ours, theirs = first.features[places[0]], second.features[places[1]]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)  # a product of other rows rounds otherwise
        np.testing.assert_array_equal(first.real[places[0]], second.real[places[1]])
    others = held.copy()
    others[:, 1] = (others[:, 1] + 1) % graph.num_relations
    pairs = [
        relation_data(model.members, model.head, Questions.of_relations(triples, np.random.default_rng(0)))
        for triples in (held, others)
    ]
    np.testing.assert_array_equal(pairs[0].features, pairs[1].features)
    np.testing.assert_array_equal(pairs[0].real, pairs[1].real)


# batch-mates and the order of candidates


@pytest.mark.slow
@given(graphs(), KINDS, st.integers(1, 3), st.data())
def test_answers_do_not_depend_on_who_else_is_asked(
    graph: KnowledgeGraph, kind: ReasonerKind, block: int, data: st.DataObject
) -> None:
    model = model_over(graph, kind)
    everyone = np.arange(graph.num_entities)
    relation = data.draw(st.integers(0, 2 * graph.num_relations - 1))
    order = np.array(data.draw(st.permutations(everyone.tolist())))
    whole, mixed = model.answer_entities(relation, everyone), model.answer_entities(relation, order)
    np.testing.assert_array_equal(mixed.candidates, whole.candidates[order])
    np.testing.assert_allclose(mixed.logits, whole.logits[order], rtol=1e-4, atol=1e-4)
    heads, tails = (ends.ravel() for ends in np.meshgrid(everyone, everyone))
    known = model.known_relations(heads, tails)
    together = model.answer_relations(heads, tails, known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CELLS", block * graph.num_relations)
        apart = model.answer_relations(heads, tails, known)
    np.testing.assert_allclose(apart.logits, together.logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(apart.probabilities, together.probabilities, rtol=1e-3, atol=1e-5)


@given(graphs(), KINDS, st.data())
def test_relations_in_another_order_get_the_same_scores(
    graph: KnowledgeGraph, kind: ReasonerKind, data: st.DataObject
) -> None:
    """Candidates of relation queries stand in the order of their numbers: renumbered, with their weights, all moves."""
    model = model_over(graph, kind)
    features = model.answer_relations(graph.triples[:, 0], graph.triples[:, 2]).features
    order = np.array(data.draw(st.permutations(range(graph.num_relations))))
    asked = torch.arange(graph.num_relations).expand(len(features), -1)
    real = torch.ones(features.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        plain = model.relation_reasoner(torch.from_numpy(features), asked, real)
        moved = model.relation_reasoner(torch.from_numpy(features[:, order]), asked[:, order], real)
    torch.testing.assert_close(moved, plain[:, order], rtol=1e-4, atol=1e-4)


# graphs in which there is nothing to find

COUNT, RELATIONS, EDGES = 60, 5, 500
ENOUGH = TINY_TRAINING.model_copy(update={"max_epochs": 30})  # for a reasoner to learn what counting tells


def judged(
    split: Split,
    text: torch.Tensor,
    known: KnowledgeGraph,
    train: KnowledgeGraph | None = None,
    start: Start | None = None,
) -> Report:
    train = train or KnowledgeGraph(COUNT, known.num_relations, split.train)
    model = fitted(train, split.holdout, text, training=ENOUGH, start=start)
    seen = model.over(train.with_triples(split.holdout))
    names = tuple(map(str, range(known.num_relations)))
    return evaluate(seen, split.test, known, names, (Frequency(seen.graph), Popularity(seen.graph)))


def shuffled(seed: int, relations: int = RELATIONS) -> tuple[KnowledgeGraph, Split]:
    """Heads, relations and tails of unequal popularity, each dealt out by itself."""
    rng = np.random.default_rng(seed)
    nodes, types = (1 / np.arange(1, size + 1) for size in (COUNT, RELATIONS))
    ends = [rng.permutation(COUNT)[rng.choice(COUNT, EDGES, p=nodes / nodes.sum())] for _ in range(2)]
    drawn = rng.choice(RELATIONS, EDGES, p=types / types.sum())
    graph = graph_of(COUNT, relations, np.stack([ends[0], drawn, ends[1]], axis=1))
    return graph, split_triples(graph.triples, 0.15, 0.25, rng.permutation(len(graph.triples)))


def assert_chance(report: Report) -> None:
    """What counting gives, but for the luck that a hundred test triples make."""
    popular, frequent = report.baselines["popularity"], report.baselines["frequency"]
    assert popular.entities is not None
    assert frequent.relations is not None
    assert abs(report.entities.mrr - popular.entities.mrr) < 0.1
    assert 0.15 < report.relations.hits_at(1) < frequent.relations.hits_at(1) + 0.05


@pytest.mark.slow
def test_a_shuffled_graph_falls_to_what_counting_gives() -> None:
    graph, split = shuffled(1)
    assert_chance(judged(split, torch.zeros(COUNT, 0), graph))


@pytest.mark.slow
def test_weights_that_were_gone_on_from_know_nothing_of_a_shuffled_graph() -> None:
    """They have learnt from four fifths of what they go on with, and from edges that are gone."""
    graph, split = shuffled(4)
    held, nothing = np.concatenate([split.holdout, split.test]), torch.zeros(COUNT, 0)
    gone = shuffled(5)[0].triples[: EDGES // 5]
    gone = gone[~graph.holds(gone)]
    before = graph_of(COUNT, RELATIONS, np.concatenate([split.train[len(split.train) // 5 :], gone]))
    assert not before.holds(held).any()
    live = fitted(before, split.holdout, nothing, training=ENOUGH)
    start = grown(live, np.arange(COUNT), np.arange(RELATIONS))
    assert_chance(judged(split, nothing, graph, start=start))


@pytest.mark.slow
def test_answers_that_are_planted_in_texts_of_test_nodes_alone_are_not_found() -> None:
    """Each head of the test says what its tail says; no edge that anything learnt from has such texts."""
    graph, split = shuffled(2)
    text = text_for(graph)
    for head, _, tail in split.test.tolist():
        text[head] = text[tail]
    assert_chance(judged(split, text, graph))


@pytest.mark.slow
def test_a_twin_of_the_test_edges_alone_tells_nothing() -> None:
    """A type that stands beside test edges and beside no others: nothing could have learnt what it means."""
    graph, split = shuffled(3, RELATIONS + 1)
    twins = split.test.copy()
    twins[:, 1] = RELATIONS
    train = KnowledgeGraph(COUNT, RELATIONS + 1, split.train).with_triples(twins)
    assert_chance(judged(split, torch.zeros(COUNT, 0), graph.with_triples(twins), train))
