"""The JSON of an explanation: a row for each kind of evidence, then one for each rule that fired."""

from __future__ import annotations

from neo4j_relpred.data.explanation import Explanation, NamedNode
from neo4j_relpred.service.bodies import TripleBody, encoded, entities
from neo4j_relpred.service.facade import Predictor
from neo4j_relpred.triples import EntityId, Triple
from neo4j_relpred.wire import EvidenceRowBody, NamedNodeBody

__all__ = ["ExplainBody"]


class ExplainBody(TripleBody):
    """Why is this triple scored as it is?"""

    def rows(self, predictor: Predictor) -> list[bytes]:
        """The answer. Raises UnknownEntity, UnknownRelation."""
        head, tail = entities(predictor, [self.head, self.tail])
        found = predictor.explain(Triple(head, predictor.review.relation_of(self.relation), tail))
        return [encoded(row.model_dump()) for row in _rows(predictor, found, predictor.model)]


def _rows(predictor: Predictor, found: Explanation, model: str) -> list[EvidenceRowBody]:
    element_ids: dict[EntityId, str] = {}

    def body(node: NamedNode) -> NamedNodeBody:
        if node.id not in element_ids:
            element_ids[node.id] = predictor.element_id_of(node.id)
        return NamedNodeBody(element_id=element_ids[node.id], id=node.id, name=node.name)

    def row(kind: str, text: str, **more: object) -> EvidenceRowBody:
        empty: dict[str, object] = {"share": None, "pattern": None, "bindings": [], "support": None, "confidence": None}
        judged = {"score": found.scored.score, "probability": found.scored.probability, "model": model}
        return EvidenceRowBody.model_validate({"kind": kind, "explanation": text, **empty, **judged, **more})

    rows = [row(clue.kind, clue.text, share=clue.share) for clue in found.clues]
    for rule in found.rules:
        bindings = [[body(node) for node in path] for path in rule.bindings]
        counts = {"support": rule.support, "confidence": rule.confidence}
        rows.append(row("rule", rule.text, pattern=rule.pattern, bindings=bindings, **counts))
    return rows
