"""What a refresh tells of itself."""

from __future__ import annotations

from dataclasses import dataclass

from neo4j_relpred.graph.writer import PublicationReport

__all__ = ["RefreshReport"]


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh found and did. refused: why the gate kept what was trained as a candidate, '' where it did not."""

    changed_nodes: int
    changed_edges: int
    encoded_texts: int
    retrained: bool
    model: str
    publication: PublicationReport | None
    seconds: float
    refused: str = ""
