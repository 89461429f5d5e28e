"""What `relpred doctor` looks at."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from neo4j_relpred.errors import RelpredError

if TYPE_CHECKING:
    from neo4j_relpred.api import RelationPredictor

__all__ = ["Check", "run_checks"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "warning", "error"]
    found: str
    hint: str = ""


def run_checks(predictor: RelationPredictor) -> list[Check]:
    """Looks at everything that can be looked at; without a graph, what needs one is left out."""
    looks: dict[str, Callable[[RelationPredictor], Check]] = {
        "settings": _settings,
        "encoder": _encoder,
        "model": _model,
        "runs": _runs,
        "procedures": _procedures,
    }
    found = [_attempt("graph", _graph, predictor)]
    needs_graph = {"settings", "runs", "procedures"}
    for name, look in looks.items():
        if found[0].state != "error" or name not in needs_graph:
            found.append(_attempt(name, look, predictor))
    return found


def _attempt(name: str, look: Callable[[RelationPredictor], Check], predictor: RelationPredictor) -> Check:
    try:
        return look(predictor)
    except RelpredError as error:
        return Check(name, "error", error.message, error.hint)


def _graph(predictor: RelationPredictor) -> Check:
    rows = predictor.client.read("CALL dbms.components() YIELD name, versions, edition RETURN name, versions, edition")
    server = f"{rows[0]['name']} {rows[0]['versions'][0]} {rows[0]['edition']}"
    schema = predictor.schema()
    nodes = predictor.client.read("MATCH (n) RETURN count(n) AS nodes")[0]["nodes"]
    found = f"{server}; {nodes} nodes, {sum(r.count for r in schema.relations)} relationships"
    return Check("graph", "ok", found)


def _settings(predictor: RelationPredictor) -> Check:
    from neo4j_relpred.graph.schema import check_settings

    check_settings(predictor.schema(), predictor.settings.graph)
    if not predictor.settings.graph.keys:
        hint = "Name a unique property per label in graph.keys; `relpred init` proposes some."
        return Check("settings", "warning", "nodes go by element id, which does not survive a reload", hint)
    return Check("settings", "ok", ", ".join(f"{label}.{key}" for label, key in predictor.settings.graph.keys.items()))


def _encoder(predictor: RelationPredictor) -> Check:
    from neo4j_relpred.text.encoder import OnnxEncoder, TransformersEncoder, kept_exports, open_encoder

    text = predictor.settings.text
    encoder = open_encoder(text, exports=kept_exports(predictor.settings.home))
    if not isinstance(encoder, OnnxEncoder | TransformersEncoder):
        return Check("encoder", "warning", "none", "Set text.encoder to use what nodes say.")
    found = f"{text.encoder}, {encoder.width} numbers a text, {encoder.about}"
    if encoder.fallback:
        hint = "Set text.backend to 'torch' to hear no more of it."
        return Check("encoder", "warning", f"{found}, not onnx: {encoder.fallback}", hint)
    return Check("encoder", "ok", found)


def _model(predictor: RelationPredictor) -> Check:
    if not predictor.models():
        return Check("model", "warning", "none yet", "`relpred train` trains one.")
    version, report = predictor.report()
    figures = f"entity MRR {report.entities.mrr:.3f}, relation H@1 {report.relations.hits_at(1):.3f}"
    return Check("model", "ok", f"{version.label}, {figures}")


def _runs(predictor: RelationPredictor) -> Check:
    runs = predictor.runs()
    stuck = [run for run in runs if run.open]
    if stuck:
        hint = "Publish again: it goes on from where that run stopped."
        return Check("runs", "warning", f"{stuck[0].id} did not finish", hint)
    return Check("runs", "ok", f"{len(runs)} in the ledger")


def _procedures(predictor: RelationPredictor) -> Check:
    rows = predictor.client.read("SHOW FUNCTIONS YIELD name WHERE name = 'relpred.version' RETURN name")
    ours = importlib.metadata.version("neo4j_relpred")
    if not rows:
        hint = "Put the jar into plugins/ for CALL relpred...; everything else works without it."
        return Check("procedures", "warning", "not installed", hint)
    jar = predictor.client.read("RETURN relpred.version() AS version")[0]["version"]
    if jar != ours:
        return Check("procedures", "warning", f"jar {jar}, package {ours}", "Install the jar of the same version.")
    return Check("procedures", "ok", f"jar {jar}")
