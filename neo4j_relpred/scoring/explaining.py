"""Explains one triple: what each kind of evidence says of it, how much that weighs, and the rules that fired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from neo4j_relpred.data.explanation import Clue, Explanation, FiredRule, NamedNode, Step
from neo4j_relpred.model.features import FEATURE_NAMES
from neo4j_relpred.model.firings import Firing, fired_rules
from neo4j_relpred.model.members import Members
from neo4j_relpred.scoring.evidence import ENTITY_COLUMNS, arrow, evidence_shares, explain, named
from neo4j_relpred.scoring.rates import reasoned
from neo4j_relpred.scoring.serving import Serving
from neo4j_relpred.triples import ScoredTriple, Triple

__all__ = ["explained"]


def explained(serving: Serving, row: tuple[int, int, int], base_rate: float | None) -> Explanation:
    """The triple of a row (head, relation, tail) as `score` judges it, and why; it is taken out of the graph before."""
    head, relation, tail = row
    model = serving.model.without(np.array([row], np.int64))
    anchors, wanted = np.array([head]), np.array([[tail]])
    known = model.graph.answers(anchors, np.array([relation]))
    proposal = model.members.propose(relation, anchors, known, wanted)
    answers = reasoned(serving, model, relation, anchors, proposal, base_rate)
    place = int(np.searchsorted(answers.candidates[0], tail))
    logit = float(answers.logits[0, place])
    rank = 1 + int((answers.logits[0][answers.real[0]] > logit).sum())
    asked, places = np.array([relation]), np.array([place])
    (shares,) = evidence_shares(model.entity_reasoner, proposal.features[0], asked, places, ENTITY_COLUMNS)
    without = replace(serving, model=model)
    triple = Triple(serving.entities[head], serving.relations[relation], serving.entities[tail])
    evidence = explain(without, head, relation, tail, shares)
    scored = ScoredTriple(triple, logit, float(answers.probabilities[0, place]), rank, evidence)
    values = dict(zip(FEATURE_NAMES, proposal.features[0, place].tolist(), strict=True))
    texts = _texts(model.members, values, triple.relation)
    clues = [Clue(kind, share, texts[kind]) for kind, share in shares.items()]
    fired = fired_rules(model.members.rules, model.graph, *row) if model.members.settings.rule_length else []
    rules = tuple(_rule(without, firing) for firing in fired)
    return Explanation(scored, tuple(sorted(clues, key=lambda clue: -clue.share)), rules)


def _rule(serving: Serving, firing: Firing) -> FiredRule:
    names = [[NamedNode(serving.entities[node], serving.names[node]) for node in path] for path in firing.paths]
    return FiredRule(
        _in_words(serving, firing),
        tuple(_step(serving, step) for step in firing.steps),
        firing.constant,
        tuple(map(tuple, names)),
        firing.support,
        firing.confidence,
    )


def _step(serving: Serving, step: int) -> Step:
    graph = serving.model.graph
    relation = step % graph.num_relations
    if relation in graph.symmetric:
        return Step(serving.relations[relation], "either")
    return Step(serving.relations[relation], "out" if step == relation else "in")


def _in_words(serving: Serving, firing: Firing) -> str:
    """The body of a rule. Of the nodes of its paths only the one that is part of the rule is named."""
    if firing.constant is None:
        steps = [_step(serving, step) for step in firing.steps]
        walk = ", then ".join(step.relation + " backwards" * (step.direction == "in") for step in steps)
        return f"{walk}: such paths hold {firing.confidence:.0%} of the time, seen {firing.support} times"
    fact = f"(){arrow(serving, firing.steps[firing.constant - 1])}{named(serving, firing.paths[0, firing.constant])}"
    if firing.constant == 1:
        return f"{firing.support} of {firing.looked} others with {fact} have it"
    return f"{firing.support} of {firing.looked} nodes with {fact}, as the tail has it, are such tails of the head"


def _texts(members: Members, values: Mapping[str, float], relation: str) -> dict[str, str]:
    """What each kind of evidence says, from the features of the candidate; by the names of ENTITY_COLUMNS."""

    def weight(member: str) -> str:
        mine, gap = values[f"{member}_log_probability"], values[f"{member}_gap"]
        return f"{np.exp(mine):.1%} of the weight of all candidates, the best of them {np.exp(mine - gap):.1%}"

    structure = f"the vectors learnt for both nodes give it {weight('structure')}"
    if members.structure is None:
        structure = "no vectors were learnt for nodes"
    elif not values["structure_known"]:
        structure = "a node that came after the training has no vector of its own"
    tower = f"text and surroundings of both nodes give it {weight('tower')}"
    rules, best = np.exp(values["rules_or"]) - 1e-3, np.exp(values["rules_or"] - values["rules_gap"]) - 1e-3
    walks = {name: max(0.0, np.exp(values[f"walk_{name}"])) for name in ("any_two", "own_two", "own_three")}
    tails, degree = (round(np.expm1(values[name])) for name in ("popularity", "degree"))
    return {
        "structure": structure,
        "text and graph": tower if members.tower is not None else "neither text nor surroundings were learnt from",
        "words": "texts and names were not compared"
        if members.words is None
        else f"the texts share {values['word_texts']:.0%} of their words, the names {values['word_names']:.0%}",
        "rules": f"all rules together make it {max(0, rules):.0%}, the best candidate {max(0, best):.0%}",
        "walks": f"{walks['any_two']:.1%} of random walkers from the head are at the tail after two steps; over "
        f"{relation} alone {walks['own_two']:.1%}, after three {walks['own_three']:.1%}",
        "prior": f"the tail has {tails:,} such relationships without this one, and {degree:,} in all",
    }
