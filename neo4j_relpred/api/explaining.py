"""Explains a triple: the scorer finds the rules, the graph's rooms write them as Cypher."""

from __future__ import annotations

from dataclasses import replace

from neo4j_relpred.api.answering import Answering
from neo4j_relpred.data.explanation import Explanation
from neo4j_relpred.graph.patterns import pattern_of
from neo4j_relpred.triples import Triple

__all__ = ["explain"]


def explain(answering: Answering, triple: Triple) -> Explanation:
    """See RelationPredictor.explain."""
    found = answering.scorer((triple.head, triple.tail)).explain(triple)
    rules = (replace(rule, pattern=pattern_of(rule, answering.element_id_of)) for rule in found.rules)
    return replace(found, rules=tuple(rules))
