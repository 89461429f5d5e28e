"""The one facade. Faces parse, call RelationPredictor, and print; it puts the rooms below together."""

from neo4j_relpred.api.predictor import RelationPredictor
from neo4j_relpred.api.refresh_report import RefreshReport
from neo4j_relpred.api.workspace import Progress

__all__ = ["Progress", "RefreshReport", "RelationPredictor"]
