"""A trained model answers without changing, and each answer stands for itself."""

from __future__ import annotations

import copy
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from neo4j_relpred.config import ModelSettings, ReasonerKind
from neo4j_relpred.data.knowledge_graph import IntArray, both_directions
from neo4j_relpred.model import pools
from neo4j_relpred.model.chunks import chunks_by_relation
from neo4j_relpred.model.features import FEATURE_GROUPS, FEATURE_NAMES, group_columns
from neo4j_relpred.model.reasoner import Reasoner, Reasoners
from neo4j_relpred.model.relations import RELATION_FEATURES, RELATION_GROUPS
from neo4j_relpred.model.trained import TrainedModel, centred
from neo4j_relpred.model.words import WORD_FEATURES
from tests.synthetic import CHILD, GRANDPARENT, NOTHING, PARENT, SIBLING, World, graph_of

ANCHORS = np.array([4, 9, 17, 30])


def tensors(model: TrainedModel) -> dict[str, torch.Tensor]:
    parts = {
        "head": model.head,
        "entity": model.entity_reasoner,
        "relation": model.relation_reasoner,
        "structure": model.members.structure,
        "tower": model.members.tower,
    }
    found = {f"{name}.{key}": v for name, part in parts.items() if part for key, v in part.state_dict().items()}
    return {**found, "encoded": model.members.encoded, "text": model.members.text}


@pytest.mark.parametrize("relation", [PARENT, SIBLING, GRANDPARENT + 4])
def test_a_query_ignores_its_batch_mates(trained: TrainedModel, relation: int) -> None:
    together = trained.answer_entities(relation, ANCHORS)
    for row, anchor in enumerate(ANCHORS):
        alone = trained.answer_entities(relation, np.array([anchor]))
        np.testing.assert_array_equal(alone.candidates[0], together.candidates[row])
        np.testing.assert_array_equal(alone.real[0], together.real[row])
        np.testing.assert_allclose(alone.logits[0], together.logits[row], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(alone.probabilities[0], together.probabilities[row], rtol=1e-3, atol=1e-5)


def test_proposals_ignore_their_batch_mates_feature_by_feature(trained: TrainedModel) -> None:
    known = trained.graph.answers(ANCHORS, np.full(len(ANCHORS), SIBLING))
    together = trained.members.propose(SIBLING, ANCHORS, known)
    for row, anchor in enumerate(ANCHORS):
        mine = trained.graph.answers(np.array([anchor]), np.array([SIBLING]))
        alone = trained.members.propose(SIBLING, np.array([anchor]), mine)
        np.testing.assert_array_equal(alone.candidates[0], together.candidates[row])
        np.testing.assert_allclose(alone.features[0], together.features[row], rtol=1e-4, atol=1e-4)


def test_relation_answers_ignore_their_batch_mates(trained: TrainedModel) -> None:
    heads, tails = ANCHORS, ANCHORS[::-1].copy()
    together = trained.answer_relations(heads, tails)
    for row in range(len(heads)):
        alone = trained.answer_relations(heads[row : row + 1], tails[row : row + 1])
        np.testing.assert_allclose(alone.logits[0], together.logits[row], rtol=1e-4, atol=1e-4)


def test_asking_changes_nothing(trained: TrainedModel) -> None:
    before = copy.deepcopy(tensors(trained))
    triples = trained.graph.triples.copy()
    first = trained.answer_entities(SIBLING, ANCHORS).logits
    trained.answer_relations(ANCHORS, ANCHORS)
    trained.with_node(torch.ones(trained.members.text.shape[1]), NOTHING).answer_entities(SIBLING, ANCHORS)
    trained.without(triples[:3])
    assert all(torch.equal(value, before[name]) for name, value in tensors(trained).items())
    np.testing.assert_array_equal(trained.graph.triples, triples)
    np.testing.assert_array_equal(trained.answer_entities(SIBLING, ANCHORS).logits, first)


def test_two_threads_get_the_same_answers(trained: TrainedModel) -> None:
    expected = trained.answer_entities(SIBLING, ANCHORS).logits
    with ThreadPoolExecutor(2) as pool:
        for answer in pool.map(lambda _: trained.answer_entities(SIBLING, ANCHORS).logits, range(6)):
            np.testing.assert_array_equal(answer, expected)


def test_known_answers_are_no_candidates(trained: TrainedModel) -> None:
    answers = trained.answer_entities(SIBLING, ANCHORS)
    rows, known = trained.graph.answers(ANCHORS, np.full(len(ANCHORS), SIBLING))
    assert len(known)
    for row, entity in zip(rows, known, strict=True):
        taken = answers.candidates[row][answers.real[row]]
        assert entity not in taken
        assert answers.full_scores()[row, entity] == -np.inf
    assert (answers.probabilities[~answers.real] == 0).all()


def test_candidates_stand_above_the_rest_in_the_reasoners_order(trained: TrainedModel) -> None:
    few = replace(trained, members=replace(trained.members, settings=_with_candidates(trained, 10)))
    answers = few.answer_entities(PARENT, ANCHORS)
    assert answers.candidates.shape == (len(ANCHORS), 10)
    scores = answers.full_scores()
    for row in range(len(ANCHORS)):
        inside = answers.candidates[row][answers.real[row]]
        outside = np.setdiff1d(np.arange(trained.graph.num_entities), answers.candidates[row])
        assert scores[row, inside].min() > scores[row, outside].max()


def test_a_wanted_entity_is_a_candidate_in_any_case(trained: TrainedModel) -> None:
    few = replace(trained, members=replace(trained.members, settings=_with_candidates(trained, 10)))
    for entity in range(0, 60, 7):
        wanted = np.full(len(ANCHORS), entity)
        candidates = few.answer_entities(PARENT, ANCHORS, wanted=wanted[:, None]).candidates
        assert (candidates == entity).any(1).all()
        assert (np.diff(candidates, axis=1) > 0).all()


def _with_candidates(model: TrainedModel, candidates: int) -> ModelSettings:
    return model.members.settings.model_copy(update={"candidates": candidates})


def test_excluded_relations_get_probability_nought(trained: TrainedModel) -> None:
    heads, _, tails = trained.graph.triples[:5].T
    excluded = trained.known_relations(heads, tails)
    found = trained.answer_relations(heads, tails, excluded).probabilities
    assert (found[excluded] == 0).all()
    assert (found > 0).any()


@pytest.mark.parametrize("kind", ["attention", "transformer"])
def test_a_pair_between_which_everything_holds_has_no_answer_and_no_nan(
    trained: TrainedModel, kind: ReasonerKind
) -> None:
    count = trained.graph.num_relations
    model = replace(trained, relation_reasoner=Reasoners([Reasoner(kind, len(RELATION_FEATURES), 2 * count)]).eval())
    excluded = (np.zeros(count, np.int64), np.arange(count))
    answers = model.answer_relations(np.array([4]), np.array([9]), excluded)
    assert (answers.probabilities == 0).all()
    assert np.isfinite(answers.logits).all()


def test_the_true_relation_of_held_back_edges_is_found(trained: TrainedModel, world: World) -> None:
    heads, relations, tails = world.split.test.T
    answers = trained.answer_relations(heads, tails, trained.known_relations(heads, tails))
    assert (answers.probabilities.argmax(1) == relations).mean() > 0.8


def test_a_new_node_is_answered_from_its_edges_and_text(trained: TrainedModel, world: World) -> None:
    count = trained.graph.num_entities
    parents = world.graph.triples[world.graph.triples[:, 1] == PARENT]
    mother = int(np.bincount(parents[:, 0]).argmax())
    siblings = set(parents[parents[:, 0] == mother, 2].tolist())
    child = min(siblings)
    edges = np.array([[mother, PARENT, count]])
    grown = trained.with_node(world.text[child], edges)
    assert grown.graph.num_entities == count + 1
    answers = grown.answer_entities(SIBLING, np.array([count]))
    assert np.isfinite(answers.logits).all()
    assert set(np.argsort(-answers.full_scores()[0])[:3].tolist()) <= siblings


def test_a_new_node_with_nothing_but_text_is_answered(trained: TrainedModel) -> None:
    grown = trained.with_node(torch.zeros(trained.members.text.shape[1]), NOTHING)
    answers = grown.answer_entities(SIBLING, np.array([trained.graph.num_entities]))
    assert np.isfinite(answers.logits).all()
    assert np.isfinite(grown.answer_relations(np.array([60]), np.array([4])).logits).all()


def test_what_was_worked_out_is_handed_on_as_far_as_it_holds(trained: TrainedModel, world: World) -> None:
    trained = replace(trained, members=replace(trained.members, room=1_000_000))
    trained.answer_entities(SIBLING, ANCHORS)  # works it out
    query = torch.randn(3, trained.members.encoded.shape[1])
    grown = trained.with_node(world.text[3], np.array([[60, PARENT, 4]]))
    for other in (grown, trained.without(trained.graph.triples[[3, 40]])):
        assert other.members.__dict__["rough_structure"] is trained.members.__dict__["rough_structure"]
        afresh = replace(other.members)
        for name in ("lengths", "text_lengths"):
            torch.testing.assert_close(other.members.__dict__[name], getattr(afresh, name))
        handed = other.members.__dict__["rough_unit"].scores(query)
        torch.testing.assert_close(handed, afresh.rough_unit.scores(query))


def test_a_new_node_does_not_change_how_others_are_encoded(trained: TrainedModel) -> None:
    grown = trained.with_node(torch.zeros(trained.members.text.shape[1]), NOTHING)
    assert torch.equal(grown.members.encoded[:-1], trained.members.encoded)


def test_over_its_own_graph_a_model_is_itself(trained: TrainedModel) -> None:
    same = trained.over(trained.graph)
    assert torch.equal(same.members.encoded, trained.members.encoded)


def test_without_some_triples_the_ends_are_encoded_as_over_the_smaller_graph(trained: TrainedModel) -> None:
    gone = trained.graph.triples[[3, 40]]
    smaller = trained.without(gone)
    assert len(smaller.graph.triples) == len(trained.graph.triples) - 2
    ends = np.unique(gone[:, [0, 2]])
    fair = trained.over(smaller.graph)
    torch.testing.assert_close(smaller.members.encoded[ends], fair.members.encoded[ends])
    same = trained.without(NOTHING)
    np.testing.assert_array_equal(same.graph.triples, trained.graph.triples)


def test_feature_groups_name_each_feature_once() -> None:
    columns = [column for group in FEATURE_GROUPS for column in group_columns(group)]
    assert sorted(columns) == list(range(len(FEATURE_NAMES)))
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert set(RELATION_GROUPS) <= set(FEATURE_GROUPS)
    assert len(set(RELATION_FEATURES)) == len(RELATION_FEATURES)


def test_no_feature_is_always_the_same_and_all_are_finite(trained: TrainedModel, world: World) -> None:
    asked = both_directions(world.split.holdout, 4)
    parts = []
    for relation, rows in chunks_by_relation(asked[:, 1], 60):
        known = trained.graph.answers(asked[rows, 0], asked[rows, 1])
        parts.append(trained.members.propose(relation, asked[rows, 0], known).features.reshape(-1, len(FEATURE_NAMES)))
    features = np.concatenate(parts)
    assert np.isfinite(features).all()
    constant = {name for name, spread in zip(FEATURE_NAMES, features.std(0), strict=True) if spread == 0}
    assert constant == {"structure_known", *WORD_FEATURES}  # nobody is new here, and this world has no words


def test_chunks_hold_every_row_once_and_one_relation_each() -> None:
    relations: IntArray = np.array([3, 1, 3, 0, 1, 3] * 100)
    seen: list[int] = []
    for relation, rows in chunks_by_relation(relations, 60_000):
        assert (relations[rows] == relation).all()
        seen += rows.tolist()
    assert sorted(seen) == list(range(len(relations)))


def test_chunks_are_larger_where_few_can_answer(trained: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph of many kinds must not be asked one question at a time because of nodes that no answer is among."""
    monkeypatch.setattr(pools, "WHOLE", 0)
    monkeypatch.setattr(pools, "LEAST", 1)
    monkeypatch.setattr("neo4j_relpred.model.chunks.MEMORY", 12 * 60 + 2 * 60)
    members = replace(trained.members, graph=graph_of(60, 4, [(i, PARENT, 2 + i % 2) for i in range(4, 60)]))
    relations = np.full(20, PARENT)
    whole = [rows for _, rows in chunks_by_relation(relations, 60)]
    narrow = [rows for _, rows in chunks_by_relation(relations, 60, members)]
    assert len(whole) == len(relations)
    assert len(narrow) < len(whole)
    assert np.concatenate(narrow).tolist() == list(range(20))


def test_an_empty_text_stays_the_zero_vector_when_centred() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    found = centred(vectors, vectors.mean(0))
    assert found[1].tolist() == [0, 0]
    torch.testing.assert_close(found[0].norm(), found[2].norm())
    assert centred(torch.zeros(3, 0), torch.zeros(0)).shape == (3, 0)


def test_a_model_answers_over_other_entities_by_what_it_knows_of_relations(trained: TrainedModel, world: World) -> None:
    """The same family with its people in another order: no answer may depend on which row somebody has."""
    order = np.random.default_rng(0).permutation(60)
    place = np.argsort(order)
    triples = world.train.triples.copy()
    triples[:, [0, 2]] = place[triples[:, [0, 2]]]
    there = trained.moved(world.train, world.text, None)
    elsewhere = trained.moved(graph_of(60, 4, triples), world.text[order], None)
    assert there.members.structure is None
    first = there.answer_entities(SIBLING, ANCHORS).full_scores().argmax(1)
    second = elsewhere.answer_entities(SIBLING, place[ANCHORS]).full_scores().argmax(1)
    np.testing.assert_array_equal(place[first], second)
    assert trained.members.structure is not None


def test_members_and_what_they_keep_of_a_relation_go_without_a_collection(trained: TrainedModel) -> None:
    """They hold vectors of all entities: what waits for the collector fills the memory."""
    members = replace(trained.members)
    nobody = np.empty(0, np.int64), np.empty(0, np.int64)
    members.propose(PARENT, np.array([5]), nobody)
    kept, keeper = weakref.ref(members.asked(PARENT)), weakref.ref(members)
    gc.disable()
    try:
        members.propose(CHILD, np.array([5]), nobody)
        assert kept() is None
        del members
        assert keeper() is None
    finally:
        gc.enable()
