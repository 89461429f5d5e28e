"""What the service needs of the facade, as protocols: routes and workers are tested with far less than a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from neo4j_relpred.triples import EntityId, Query, QuestionKind, Relation, ScoredTriple, Triple

if TYPE_CHECKING:
    from neo4j_relpred.api.foresight import TrainingEstimate
    from neo4j_relpred.api.jobs import Job, JobKind
    from neo4j_relpred.config import Settings
    from neo4j_relpred.data.daemon_state import DaemonState
    from neo4j_relpred.data.explanation import Explanation
    from neo4j_relpred.graph.daemons import Failure, Orders
    from neo4j_relpred.graph.decisions import Decision, Wish
    from neo4j_relpred.graph.live import LiveNode, Seen
    from neo4j_relpred.graph.pending import Order, Pending
    from neo4j_relpred.graph.runs import Run
    from neo4j_relpred.graph.writer import PublicationReport
    from neo4j_relpred.model.registry import ModelVersion
    from neo4j_relpred.scoring.cost import Cost
    from neo4j_relpred.scoring.estimate import Estimate

__all__ = ["Daemons", "JobBoard", "Predictor", "Reviews"]


class Reviews(Protocol):
    """What the service needs of the facade's decisions."""

    def pending(
        self,
        *,
        relation: Relation | None = None,
        min_probability: float = 0.0,
        order: Order = "probable",
        most: int | None = None,
    ) -> list[Pending]:
        """Published edges that nobody has decided about."""

    def decisions(self, relation: Relation | None = None, most: int | None = None) -> list[Decision]:
        """What was decided, the latest first."""

    def settle(self, wish: Wish, by: str) -> Decision:
        """Carries one decision out."""

    def take_back(self, triple: Triple) -> Decision:
        """Takes one decision back; what it was."""

    def relation_of(self, name: str) -> Relation:
        """The type that is meant by its own name or by that of its predicted edges."""


class JobBoard(Protocol):
    """What the service needs of the facade's jobs. Any thread may call it."""

    model_name: str

    def submit(
        self,
        kind: JobKind,
        options: Mapping[str, Any],
        overrides: Mapping[str, Mapping[str, Any]],
        job_id: str | None = None,
    ) -> Job:
        """Queues a job, once for each id."""

    def list(self) -> list[Job]:
        """All jobs, the newest first."""

    def get(self, job_id: str) -> Job:
        """One of them."""

    def cancel(self, job_id: str) -> Job:
        """Stops one of them."""

    def withdraw(self, job_id: str) -> Job:
        """Takes one submission of a job back."""


class Daemons(Protocol):
    """What the service needs of the node by which daemons are told."""

    def read(self) -> DaemonState | None:
        """How the daemon is that leads or led last."""

    def orders(self) -> Orders:
        """What daemons are told."""

    def failures(self) -> list[Failure]:
        """The nodes and edges that the last sync left out."""

    def pause(self, by: str) -> None:
        """Lets daemons do nothing."""

    def resume(self) -> None:
        """Takes a pause back."""


class Predictor(Protocol):
    """What the service needs of the facade. Only the threads of workers call it, those of the model only one."""

    @property
    def settings(self) -> Settings:
        """Those of the facade."""

    @property
    def daemons(self) -> Daemons:
        """What daemons say and are told."""

    @property
    def review(self) -> Reviews:
        """The decisions."""

    @property
    def jobs(self) -> JobBoard:
        """The jobs."""

    def ready(self) -> str:
        """Loads the live model if none is loaded; name and version of what answers ("name@version")."""

    @property
    def model(self) -> str:
        """Name and version of what answers until `ready` is called again."""

    def entities_of(self, element_ids: Sequence[str], seen: Mapping[str, Seen]) -> list[EntityId]:
        """The entities of nodes. seen: labels and key properties of some, by element id."""

    def element_id_of(self, entity: EntityId) -> str:
        """The node of an entity."""

    def look_ahead(self) -> bool:
        """Works out a little of what coming questions need; False when all is there."""

    def predict_each(
        self,
        queries: Sequence[Query],
        top_k: int = 10,
        min_probability: float = 0.0,
        given: Sequence[LiveNode] = (),
    ) -> list[list[ScoredTriple]]:
        """Of each query, the candidates for the part that is missing, the best first."""

    def described(
        self,
        element_id: str,
        labels: Sequence[str],
        properties: Mapping[str, Any],
        edges: Sequence[tuple[Literal["out", "in"], Relation, str]] = (),
    ) -> LiveNode:
        """A node that is not committed yet, as its transaction sees it."""

    def score(self, triples: Sequence[Triple]) -> list[ScoredTriple]:
        """Given triples, in the order given."""

    def predicted_type(self, relation: Relation) -> str:
        """The type of the edges that state predictions of a type."""

    def cost(self, question: QuestionKind, relation: Relation | None, number: int) -> Cost:
        """What so many questions of a kind would take."""

    def explain(self, triple: Triple) -> Explanation:
        """Why a triple is scored as it is."""

    def estimate(self) -> Estimate:
        """What a publication would ask."""

    def training_estimate(self, minutes: float | None = None) -> TrainingEstimate:
        """What a training would take."""

    def models(self) -> list[ModelVersion]:
        """All versions of the model, oldest first."""

    def promote(self, version: int) -> None:
        """Makes a version the live one."""

    def rollback(self) -> int:
        """Makes the version live that was so before."""

    def drop(self, version: int) -> None:
        """Removes a version for good."""

    def runs(self) -> list[Run]:
        """The ledger of runs, newest first."""

    def undo(self, run: str, *, dry_run: bool = False, patience: float | None = None) -> PublicationReport:
        """Puts back what stood in the graph before a run."""
