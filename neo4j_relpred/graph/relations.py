"""Relationship types: what is at their ends, what is on them, and whether anything of them can be missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, LiteralString

from neo4j_relpred.graph.client import GraphClient, Row
from neo4j_relpred.graph.facts import PropertyInfo, RelationInfo
from neo4j_relpred.graph.identity import OWN_LABELS
from neo4j_relpred.graph.names import quoted
from neo4j_relpred.graph.properties import VALUES, describe_properties
from neo4j_relpred.graph.sampling import edge_ids, of_edges

__all__ = ["Copies", "describe_relation", "ends_of"]

NOT_OURS: LiteralString = "WHERE none(l IN labels(a) + labels(b) WHERE l STARTS WITH $own) "
HUB = 10_000  # with so many edges at both ends, looking for those between the two takes too long
MOST_LABELS = 20  # at one end of a type, that are asked whether all their nodes have an edge
SHORT = 120  # characters of a value that may identify a node
LEAST_COPIES, COPIED = 20, 0.9
IDENTIFIES = 0.98  # of the values are different

# (label, property) of one end, and of the other whose value is the same
Copies = Counter[tuple[tuple[str, str], tuple[str, str]]]


def ends_of(client: GraphClient, name: str, count: int, sample: int) -> RelationInfo:
    """A type with its ends only: what the check of settings needs."""
    answer: LiteralString = NOT_OURS + "RETURN collect(labels(a)) AS heads, collect(labels(b)) AS tails"
    ids = edge_ids(client, name, count, sample)
    return _with_ends(name, count, of_edges(client, name, ids, answer, own=OWN_LABELS))


def describe_relation(
    client: GraphClient, name: str, count: int, sample: tuple[int, int], properties: Iterable[PropertyInfo]
) -> tuple[RelationInfo, set[tuple[str, str]]]:
    """Everything about a type, and the properties of nodes (label, name) that say the same as its edges.

    `sample`: how many edges are looked at, and how many of those for other edges beside them.
    """
    answer: LiteralString = (
        NOT_OURS + "RETURN collect(labels(a)) AS heads, collect(labels(b)) AS tails, "
        "collect(id(a)) AS head_ids, collect(id(b)) AS tail_ids, "
        f"collect({VALUES}) AS values"
    )
    row = of_edges(client, name, edge_ids(client, name, count, sample[0]), answer, own=OWN_LABELS)
    heads = _End(row["heads"], row["head_ids"], ("(n", f")-[r:{quoted(name)}]->()"))
    tails = _End(row["tails"], row["tail_ids"], (f"()-[r:{quoted(name)}]->(n", ")"))
    pairs = _pairs(client, row, sample[1])
    same, inverse = _beside(pairs, name)
    found = replace(
        _with_ends(name, count, row),
        only_head=heads.is_one_node(client, count),
        only_tail=tails.is_one_node(client, count),
        complete_head=heads.complete(client),
        complete_tail=tails.complete(client),
        same=same,
        inverse=inverse,
        properties=tuple(describe_properties(name, row["values"])),
    )
    return found, _copies(pairs, properties)


def _with_ends(name: str, count: int, row: Row) -> RelationInfo:
    """A node with two labels stands at an end with each of them, so shares may add up to more than one."""
    pairs = Counter(
        (head, tail)
        for heads, tails in zip(row["heads"], row["tails"], strict=True)
        for head in set(heads)
        for tail in set(tails)
    )
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    edges = max(1, len(row["heads"]))
    return RelationInfo(name, count, tuple(pair for pair, _ in ordered), tuple(number / edges for _, number in ordered))


@dataclass(frozen=True)
class _End:
    """One end of the sampled edges of a type. `pattern` is that of its edges with a node n at this end."""

    labels: Sequence[Sequence[str]]
    ids: Sequence[int]
    pattern: tuple[str, str]

    def is_one_node(self, client: GraphClient, count: int) -> bool:
        """The sample suspects it, the degree of that node proves it."""
        if count < 2 or len(set(self.ids)) != 1:
            return False
        (row,) = client.read(
            _literal("MATCH (n) WHERE id(n) = $id RETURN COUNT { ", *self.pattern, " } AS number"), id=self.ids[0]
        )
        return bool(row["number"] == count)

    def complete(self, client: GraphClient) -> str:
        """The labels all of whose nodes have exactly one edge with this end, if every edge has one of them there.

        No end of the sample has two edges, and there are as many edges as nodes: then each node has one.
        """
        if not self.ids or len(set(self.ids)) < len(self.ids) or self._most_edges(client) > 1:
            return ""
        several = Counter(label for labels in self.labels for label in set(labels)).most_common(MOST_LABELS)
        whole: list[str] = []
        for label, _ in sorted(several, key=lambda item: (-item[1], item[0])):
            before, after = self.pattern
            edges = client.read(_literal("MATCH ", before, ":", quoted(label), after, " RETURN count(r) AS number"))
            nodes = client.read(f"MATCH (n:{quoted(label)}) RETURN count(n) AS number")
            if edges[0]["number"] == nodes[0]["number"]:
                whole.append(label)
        if any(set(labels).isdisjoint(whole) for labels in self.labels):
            return ""
        # The fewest labels that stand for all of them read best; the commonest come first.
        needed: list[str] = []
        for label in whole:
            if any(label in labels and set(labels).isdisjoint(needed) for labels in self.labels):
                needed.append(label)
        return ", ".join(needed)

    def _most_edges(self, client: GraphClient) -> int:
        query = _literal("UNWIND $ids AS i MATCH (n) WHERE id(n) = i RETURN max(COUNT { ", *self.pattern, " }) AS most")
        return int(client.read(query, ids=self.ids)[0]["most"] or 0)


def _literal(*parts: Any) -> LiteralString:
    """Pieces of this module and quoted names, joined."""
    joined: LiteralString = "".join(parts)
    return joined


def _pairs(client: GraphClient, row: Row, wanted: int) -> list[Row]:
    """Some of the sampled edges with the types of all edges between their ends, and what those ends hold."""
    ends = [pair for pair in zip(row["head_ids"], row["tail_ids"], strict=True) if pair[0] != pair[1]]
    step = max(1, len(ends) // wanted)
    return list(
        client.read(
            "UNWIND $pairs AS pair MATCH (a) WHERE id(a) = pair[0] MATCH (b) WHERE id(b) = pair[1] "
            "WITH a, b WHERE COUNT { (a)--() } < $hub OR COUNT { (b)--() } < $hub "
            "RETURN labels(a) AS heads, labels(b) AS tails, "
            "COLLECT { MATCH (a)-[r]->(b) RETURN DISTINCT type(r) } AS there, "
            "COLLECT { MATCH (b)-[r]->(a) RETURN DISTINCT type(r) } AS back, "
            "[k IN keys(a) WHERE a[k] IS :: STRING AND size(a[k]) < $short | [k, a[k]]] AS of_head, "
            "[k IN keys(b) WHERE b[k] IS :: STRING AND size(b[k]) < $short | [k, b[k]]] AS of_tail",
            pairs=[list(pair) for pair in ends[::step]][:wanted],
            hub=HUB,
            short=SHORT,
        )
    )


def _beside(pairs: Sequence[Row], name: str) -> tuple[dict[str, float], dict[str, float]]:
    """The share of the pairs that each other type joins too, in the same direction and in the other one."""
    there = Counter(other for pair in pairs for other in pair["there"] if other != name)
    back = Counter(other for pair in pairs for other in pair["back"] if other != name)
    total = max(1, len(pairs))
    return {k: n / total for k, n in sorted(there.items())}, {k: n / total for k, n in sorted(back.items())}


def _copies(pairs: Sequence[Row], properties: Iterable[PropertyInfo]) -> set[tuple[str, str]]:
    """Properties of an end that hold what identifies the node at the other end: its city's name, its owner's number."""
    identifying = {(info.label, info.name) for info in properties if info.distinct >= IDENTIFIES}
    equal: Copies = Counter()
    both: Copies = Counter()
    for pair in pairs:
        for mine, theirs in (("head", "tail"), ("tail", "head")):
            far = [
                ((label, other), told)
                for other, told in pair[f"of_{theirs}"]
                for label in pair[f"{theirs}s"]
                if (label, other) in identifying
            ]
            for key, value in pair[f"of_{mine}"]:
                for label in pair[f"{mine}s"]:
                    for identity, told in far:
                        both[(label, key), identity] += 1
                        equal[(label, key), identity] += value == told
    return {
        own
        for (own, far), number in both.items()
        if number >= LEAST_COPIES and equal[own, far] >= COPIED * number and own != far
    }
