"""Decisions of people about what was predicted: what waits for one, what was decided, how right the model was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from neo4j_relpred.api.workspace import Workspace
from neo4j_relpred.evaluation.live import LivePrecision, live_precision
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.decisions import Decision, Wish, decide, list_decisions, rejected, withdraw
from neo4j_relpred.graph.migrations import pending_migrations
from neo4j_relpred.graph.pending import Order, Pending, list_pending
from neo4j_relpred.triples import Relation, Triple

__all__ = ["Reviewing"]


@dataclass(frozen=True)
class Reviewing:
    """Reached as `predictor.review`. Connects when it is asked."""

    workspace: Workspace
    client: Callable[[], GraphClient]

    def pending(
        self,
        *,
        relation: Relation | None = None,
        min_probability: float = 0.0,
        order: Order = "probable",
        most: int | None = None,
    ) -> list[Pending]:
        """Published edges that nobody has decided about, all or so many. Raises UnknownRelation."""
        graph = self.workspace.settings.graph
        return list_pending(
            self.client(), graph, relation=relation, min_probability=min_probability, order=order, most=most
        )

    def decisions(self, relation: Relation | None = None, most: int | None = None) -> list[Decision]:
        """What was decided, the latest first."""
        return list_decisions(self.client(), relation=relation, most=most)

    def decide(self, wishes: Iterable[Wish], by: str) -> dict[str, int]:
        """Accepts and rejects; the number of each outcome, those that could not be carried out among them.

        Raises GraphTooNew.
        """
        pending_migrations(self.client())  # what a newer program wrote is not ours to change
        done = decide(self.client(), self.workspace.settings.graph, wishes, by)
        self.keep()
        return done

    def withdraw(self, triples: Iterable[Triple]) -> int:
        """Takes decisions back, and with them what accepting made; how many there were."""
        number = withdraw(self.client(), self.workspace.settings.graph, triples)
        self.keep()
        return number

    def precision(self) -> list[LivePrecision]:
        """How often people accepted what was predicted, by type and probability."""
        told = [d for d in self.decisions() if d.probability is not None]
        return live_precision((d.triple.relation, d.probability or 0.0, d.verdict == "accepted") for d in told)

    def keep(self) -> None:
        """Reads what was rejected, for training and answering."""
        self.workspace.rejections.write(rejected(self.client()))
