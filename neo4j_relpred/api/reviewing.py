"""Decisions of people about what was predicted: what waits for one, what was decided, how right the model was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from neo4j_relpred.api.workspace import Workspace
from neo4j_relpred.errors import InvalidQuery, UnknownEntity
from neo4j_relpred.evaluation.live import LivePrecision, live_precision
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.decisions import (
    MISSING,
    Decision,
    Wish,
    decide,
    decided,
    find_decision,
    list_decisions,
    withdraw,
)
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

    def settle(self, wish: Wish, by: str) -> Decision:
        """Carries one decision out and gives it back as it stands then.

        Raises UnknownEntity when a node is missing, InvalidQuery when two share its key, GraphTooNew.
        """
        (outcome,) = self.decide([wish], by)
        if outcome != wish.verdict:
            kind = UnknownEntity if outcome == MISSING else InvalidQuery
            raise kind(
                f"Not accepted: {outcome}.",
                hint="Nodes are named by their key property; `relpred review list` shows them.",
            )
        return self._standing(wish.triple)

    def take_back(self, triple: Triple) -> Decision:
        """Takes one decision back, and with it what accepting made; what it was.

        Raises InvalidQuery where nothing was decided.
        """
        decision = self._standing(triple)
        self.withdraw([triple])
        return decision

    def _standing(self, triple: Triple) -> Decision:
        decision = find_decision(self.client(), triple)
        if decision is None:
            raise InvalidQuery("Nobody decided about this triple.", hint="See `relpred review list --decided`.")
        return decision

    def relation_of(self, name: str) -> Relation:
        """The type that is meant by its own name or by that of its predicted edges."""
        return name.removeprefix(self.workspace.settings.graph.prefix)

    def withdraw(self, triples: Iterable[Triple]) -> int:
        """Takes decisions back, and with them what accepting made; how many there were. Raises GraphTooNew."""
        pending_migrations(self.client())
        number = withdraw(self.client(), self.workspace.settings.graph, triples)
        self.keep()
        return number

    def precision(self) -> list[LivePrecision]:
        """How often people accepted what was predicted, by type and probability."""
        told = [d for d in self.decisions() if d.probability is not None]
        return live_precision((d.triple.relation, d.probability or 0.0, d.verdict == "accepted") for d in told)

    def keep(self) -> None:
        """Reads what was decided, for training, answering and promoting."""
        self.workspace.rejections.write(decided(self.client(), "rejected"))
        self.workspace.acceptances.write(decided(self.client(), "accepted"))
