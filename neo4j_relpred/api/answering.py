"""The live model over the latest snapshot, and nodes that are newer than both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from neo4j_relpred.api.loaded import Loaded, Stamp
from neo4j_relpred.api.sharing import Shared
from neo4j_relpred.api.workspace import Workspace
from neo4j_relpred.data.rejections import rows_of
from neo4j_relpred.data.snapshot import Snapshot
from neo4j_relpred.data.verbalize import verbalize
from neo4j_relpred.errors import InvalidSettings, UnknownEntity
from neo4j_relpred.graph.client import GraphClient
from neo4j_relpred.graph.live import LiveNode, Seen, described_node, read_entity_ids, read_node_by_id
from neo4j_relpred.model.registry import ModelVersion
from neo4j_relpred.scoring.scorer import Scorer
from neo4j_relpred.scoring.serving import Serving, serve
from neo4j_relpred.training.cores import prepare_torch, workers_asking
from neo4j_relpred.triples import EntityId, Relation, Triple

__all__ = ["Answering"]


class Answering:
    """Loads the live version when it is asked, and again when another version or snapshot came, from whoever.

    version: which one answers instead of the live one.
    """

    def __init__(self, workspace: Workspace, client: Callable[[], GraphClient], version: int | None = None) -> None:
        self._workspace, self._client, self._version = workspace, client, version
        self._loaded: Loaded | None = None
        self._encodes = False  # whether the encoder was opened ahead
        self._rejections: tuple[int, tuple[Triple, ...]] = (0, ())

    def live(self, *, keep: bool = False) -> Loaded:
        """What answers. Raises ModelNotFound, CheckpointCorrupt, InvalidSettings (another encoder).

        keep: what is worked out for it is written where every process finds it.
        """
        stamp = self._stamp()
        if self._loaded is None or self._loaded.stamp != stamp:
            self._loaded = self._load(stamp, keep=keep)
        return self._loaded

    def ready(self) -> Loaded:
        """What answers from now on. Raises what `live` raises."""
        return self.live()

    def look_ahead(self) -> bool:
        """Works out a little that coming questions need, as the weights of the encoder; False when all is there."""
        model = self.live().serving.model
        if model.centre.shape[0] and not self._encodes:
            self._encodes = True
            self._workspace.encoder.open()
            return True
        return model.members.look_ahead()

    def forget(self) -> None:
        """Lets the model be loaded anew when it is asked next."""
        self._loaded = None

    def poisoned(self) -> set[EntityId]:
        """Nodes whose text could not be encoded."""
        loaded = self.live()
        return {loaded.snapshot.ids[row] for row in loaded.poison}

    def _stamp(self) -> Stamp:
        return self._version or self._workspace.registry.live_version(), self._workspace.snapshots.stamp

    def _load(self, stamp: Stamp, *, keep: bool = False) -> Loaded:
        workspace = self._workspace
        prepare_torch(workspace.settings.training)
        version, snapshot = workspace.registry.get(self._version), workspace.snapshots.read()
        shared, work_out = Shared(workspace, version, snapshot), partial(self._worked_out, stamp, version, snapshot)
        loaded = shared.kept(stamp, work_out) if keep else shared.mapped(stamp) or work_out()
        return replace(loaded, workers=workers_asking(loaded.serving.model, workspace.settings.training))

    def _worked_out(self, stamp: Stamp, version: ModelVersion, snapshot: Snapshot) -> Loaded:
        workspace = self._workspace
        _, checkpoint = workspace.registry.load(version.version)
        vectors, poison = np.zeros((len(snapshot.ids), 0), np.float32), {}
        if checkpoint.model.centre.shape[0]:
            self._same_encoder(version)
            vectors = workspace.encode(snapshot)
            poison = workspace.poison(snapshot)
        serving = serve(checkpoint, snapshot, vectors, workspace.settings.graph)
        return Loaded(version, serving, snapshot, stamp, poison)

    def scorer(self, ends: Iterable[EntityId] = (), given: Sequence[LiveNode] = ()) -> Scorer:
        """A scorer that knows these entities: what the snapshot lacks is among those given, or read from the graph.

        Raises UnknownEntity.
        """
        loaded = self.live()
        serving = loaded.serving
        described = {one.node.id: one for one in given}
        for entity in dict.fromkeys(ends):
            if entity not in serving.rows:
                serving = self._joined(serving, described.get(entity) or self.read(entity))
        wrong = rows_of(self._rejected(), serving.rows, serving.relation_rows)
        return Scorer(serving, self._workspace.settings.training.base_rate, wrong, loaded.workers)

    def _rejected(self) -> tuple[Triple, ...]:
        kept = self._workspace.rejections
        if kept.stamp != self._rejections[0]:
            self._rejections = kept.stamp, kept.read()
        return self._rejections[1]

    def entities_of(self, element_ids: Sequence[str], seen: Mapping[str, Seen]) -> list[EntityId]:
        """The entity ids of nodes as they stand in the graph, or as they are seen. Raises UnknownEntity."""
        graph = self._workspace.settings.graph
        known = read_entity_ids(self._client(), graph, element_ids, seen) if element_ids else {}
        for element_id in element_ids:
            if element_id not in known:
                raise UnknownEntity(
                    f"The graph has no node {element_id!r} that the settings read.",
                    hint="Commit the node first, and see that graph.labels covers it.",
                )
        return [known[element_id] for element_id in element_ids]

    def described(
        self,
        element_id: str,
        labels: Sequence[str],
        properties: Mapping[str, Any],
        edges: Sequence[tuple[Literal["out", "in"], Relation, str]],
    ) -> LiveNode:
        """A node as somebody sees it who has not committed it yet. Raises UnknownEntity."""
        live = described_node(self._client(), self._workspace.settings.graph, element_id, labels, properties, edges)
        if live is None:
            raise UnknownEntity(
                "The settings leave nodes with such labels out.", hint="See that graph.labels covers one of them."
            )
        return live

    def element_id_of(self, entity: EntityId) -> str:
        """The element id of an entity. Raises UnknownEntity."""
        loaded = self.live()
        row = loaded.snapshot.index.get(entity)
        return loaded.snapshot.element_ids[row] if row is not None else self.read(entity).node.element_id

    def read(self, entity: EntityId) -> LiveNode:
        """A node as it stands in the graph. Raises UnknownEntity."""
        live = read_node_by_id(self._client(), self._workspace.settings.graph, entity)
        if live is None:
            self.live().serving.row(entity)  # raises with the nearest known ids
            raise UnknownEntity(
                f"There is no node {entity!r} any more.", hint="`relpred snapshot` reads the graph again."
            )
        return live

    def _joined(self, serving: Serving, live: LiveNode) -> Serving:
        """The serving model with a node that the snapshot lacks, its text encoded on the spot."""
        node, row, edges = live.node, len(serving.entities), []
        for edge in live.edges:
            relation = serving.relation_rows.get(edge.relation)
            other = row if edge.other == node.id else serving.rows.get(edge.other)
            if relation is not None and other is not None:
                edges.append((row, relation, other) if edge.direction == "out" else (other, relation, row))
        settings = self._workspace.settings
        vector = np.zeros(0, np.float32)
        if serving.model.centre.shape[0]:
            self._same_encoder(self.live().version)  # which nobody has looked at where the model was mapped
            vector = self._workspace.encoder.encode([verbalize(node.labels, node.properties, settings.graph)])[0]
        return serving.with_node(node, vector, np.array(edges, np.int64).reshape(-1, 3), settings.graph)

    def _same_encoder(self, version: ModelVersion) -> None:
        if version.about.get("encoder") != self._workspace.encoder.fingerprint:
            raise InvalidSettings(
                f"Model {version.label} was trained with another text encoder than the settings name.",
                hint="Put text.encoder, backend, precision, pooling, max_tokens and prompt back, or train again.",
            )
