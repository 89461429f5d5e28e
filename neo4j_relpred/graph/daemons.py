"""What daemons say of themselves in the graph, and what they are told there: one node for each model.

The node outlives every daemon, so a pause holds after a restart, and whoever may write into the graph can ask for a
sync, from any machine, without a way to the daemon itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, LiteralString

from neo4j_relpred.data.daemon_state import DaemonState
from neo4j_relpred.graph.client import GraphClient, twice_if_lost
from neo4j_relpred.graph.leases import Fence, held, require_held, write_fenced

__all__ = ["DaemonBoard", "Errand", "Failure", "Orders"]

Errand = Literal["sync", "refresh", "retrain", "retry"]
CONSTRAINT = "relpred_daemon_model"


@dataclass(frozen=True)
class Orders:
    """What daemons of a model are told. paused_by: who paused them, None where nobody did; asked: what to do now."""

    paused_by: str | None
    asked: tuple[Errand, ...]


@dataclass(frozen=True)
class Failure:
    """A node or an edge that a step could not take. again_at: when it is tried again, None when it is not any more."""

    item: str
    step: str
    error: str
    tries: int
    again_at: str | None


@dataclass(frozen=True)
class DaemonBoard:
    """The node of one model. Every method raises what `client.read` and `client.write` raise."""

    client: Callable[[], GraphClient]
    model: str

    def read(self) -> DaemonState | None:
        """How the daemon is that leads or led last; None where there was none."""
        rows = self.client().read(
            "MATCH (d:RelpredDaemon {model: $model}) RETURN properties(d) AS told", model=self.model
        )
        told: dict[str, Any] = rows[0]["told"] if rows else {}
        known = {field.name: told[_camel(field.name)] for field in fields(DaemonState) if _camel(field.name) in told}
        return DaemonState(**known) if "pid" in known else None

    def failures(self) -> list[Failure]:
        """What the last sync left out, the most often tried first."""
        rows = self.client().read(
            "MATCH (f:RelpredFailure {model: $model}) RETURN f.item AS item, f.step AS step, f.error AS error, "
            "f.tries AS tries, f.againAt AS again_at ORDER BY tries DESC, item",
            model=self.model,
        )
        return [Failure(**row) for row in rows]

    def pause(self, by: str) -> None:
        """Lets daemons of the model do nothing until they are told to resume."""
        self._set("SET d.pausedBy = coalesce(d.pausedBy, $by)", by=by)

    def resume(self) -> None:
        """Takes a pause back."""
        self._set("REMOVE d.pausedBy")

    def ask(self, errand: Errand) -> None:
        """Lets the daemon that leads do something at once, or as soon as one leads."""
        self._set("SET d.asked = [a IN coalesce(d.asked, []) WHERE a <> $errand] + [$errand]", errand=errand)

    def orders(self) -> Orders:
        """What daemons are told."""
        rows = self.client().read(
            "MATCH (d:RelpredDaemon {model: $model}) RETURN d.pausedBy AS by, coalesce(d.asked, []) AS asked",
            model=self.model,
        )
        return Orders(rows[0]["by"], tuple(rows[0]["asked"])) if rows else Orders(None, ())

    @contextmanager
    def leading(self, seconds: float) -> Iterator[Fence]:
        """Leads, unless another daemon of the model does. Raises Busy, which names it."""
        self.client().schema(
            f"CREATE CONSTRAINT {CONSTRAINT} IF NOT EXISTS FOR (d:RelpredDaemon) REQUIRE d.model IS UNIQUE"
        )
        with held(self.client(), f"daemon-{self.model}", seconds=seconds, patience=0.0) as fence:
            yield fence

    def require(self, fence: Fence) -> None:
        """Raises PublicationStopped where another daemon leads by now."""
        require_held(self.client(), fence)

    def say(self, fence: Fence, state: DaemonState) -> None:
        """Writes how the daemon is, where it still leads. Raises PublicationStopped."""
        told = {_camel(name): value for name, value in asdict(state).items() if name != "paused_by"}
        write_fenced(
            self.client(),
            fence,
            "MERGE (d:RelpredDaemon {model: $model}) SET d += $told RETURN $fence AS fence",
            model=self.model,
            told=told,
        )

    def done(self, fence: Fence, errands: Sequence[Errand]) -> None:
        """Strikes off what was asked for and is being done. Raises PublicationStopped."""
        write_fenced(
            self.client(),
            fence,
            "MATCH (d:RelpredDaemon {model: $model}) "
            "SET d.asked = [a IN coalesce(d.asked, []) WHERE NOT a IN $errands] RETURN $fence AS fence",
            model=self.model,
            errands=list(errands),
        )

    def leave_out(self, fence: Fence, failures: Sequence[Failure]) -> None:
        """Replaces what is left out. Raises PublicationStopped."""
        rows = [{_camel(name): value for name, value in asdict(failure).items()} for failure in failures]
        write_fenced(
            self.client(),
            fence,
            "OPTIONAL MATCH (old:RelpredFailure {model: $model}) DETACH DELETE old WITH DISTINCT $fence AS fence "
            "FOREACH (row IN $rows | CREATE (f:RelpredFailure {model: $model}) SET f += row) RETURN fence",
            model=self.model,
            rows=rows,
        )

    def _set(self, change: LiteralString, **values: str) -> None:
        statement: LiteralString = f"MERGE (d:RelpredDaemon {{model: $model}}) {change}"
        twice_if_lost(lambda: self.client().write(statement, within=None, model=self.model, **values))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
