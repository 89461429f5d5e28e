"""What the two logins may do, as a script for an administrator of Neo4j Enterprise or Aura.

The names are those that the statements of this room write; a test holds them against what a real publication and
review leave in a graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.triples import Relation

__all__ = ["ACCEPTED_PROPERTIES", "EDGE_PROPERTIES", "NODE_LABELS", "grants"]

EDGE_PROPERTIES = ("key", "score", "probability", "rank", "evidence", "model", "run", "predictedAt", "expiresAt")
ACCEPTED_PROPERTIES = (
    "relpredKey",
    "relpredProbability",
    "relpredModel",
    "relpredRun",
    "relpredAcceptedBy",
    "relpredAcceptedAt",
)
NODE_LABELS = ("RelpredDaemon", "RelpredDecision", "RelpredFailure", "RelpredLease", "RelpredRun", "RelpredSchema")
ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def grants(settings: GraphSettings, relations: Sequence[Relation], reader: str, writer: str) -> list[str]:
    """Statements for the `system` database that give two roles what reading and writing take, and nothing else.

    relations: the types of the graph that are published and reviewed. Raises InvalidSettings for names that no role
    can have.
    """
    for role in (reader, writer):
        if not ROLE.fullmatch(role):
            raise InvalidSettings(
                f"{role!r} cannot be the name of a role.", hint="Letters, digits and _, a letter first."
            )
    graph, database = f"ON GRAPH {quoted(settings.database)}", f"ON DATABASE {quoted(settings.database)}"
    real, ours = _list(relations), _list(settings.prefix + relation for relation in relations)
    types = ", ".join(part for part in (real, ours) if part) or "*"
    labels, read = _list(NODE_LABELS), "*" if not settings.labels else _list((*settings.labels, *NODE_LABELS))
    both = []
    for role in (reader, writer):
        both += [
            f"CREATE ROLE {role} IF NOT EXISTS",
            f"GRANT ACCESS {database} TO {role}",
            f"GRANT MATCH {{*}} {graph} NODES {read} TO {role}",
            f"GRANT MATCH {{*}} {graph} RELATIONSHIPS {types} TO {role}",
            f"GRANT SHOW CONSTRAINT {database} TO {role}",
            f"GRANT EXECUTE PROCEDURE db.labels, db.relationshipTypes, db.propertyKeys ON DBMS TO {role}",
        ]
    if not relations:
        return both
    return [
        *both,
        # predicted edges
        f"GRANT CREATE {graph} RELATIONSHIPS {ours} TO {writer}",
        f"GRANT DELETE {graph} RELATIONSHIPS {ours} TO {writer}",
        f"GRANT SET PROPERTY {{{', '.join(EDGE_PROPERTIES)}}} {graph} RELATIONSHIPS {ours} TO {writer}",
        # what people accept, and take back
        f"GRANT CREATE {graph} RELATIONSHIPS {real} TO {writer}",
        f"GRANT DELETE {graph} RELATIONSHIPS {real} TO {writer}",
        f"GRANT SET PROPERTY {{{', '.join(ACCEPTED_PROPERTIES)}}} {graph} RELATIONSHIPS {real} TO {writer}",
        # runs, leases, decisions, the version of what is written
        f"GRANT CREATE {graph} NODES {labels} TO {writer}",
        f"GRANT DELETE {graph} NODES {labels} TO {writer}",
        f"GRANT SET PROPERTY {{*}} {graph} NODES {labels} TO {writer}",
        # the first edge of a type needs its name, and a constraint on its keys
        f"GRANT NAME MANAGEMENT {database} TO {writer}",
        f"GRANT CREATE CONSTRAINT {database} TO {writer}",
        f"GRANT DROP CONSTRAINT {database} TO {writer}",
    ]


def _list(names: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in names)
