"""What `relpred init` does: look at the graph, then write a settings file or compare one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.settings_file import render, shown
from neo4j_relpred.cli.show import print_json, progress_bars, table
from neo4j_relpred.config import GraphSettings
from neo4j_relpred.errors import InvalidSettings
from neo4j_relpred.graph.client import Neo4jClient
from neo4j_relpred.graph.drift import compare
from neo4j_relpred.graph.facts import GraphSchema
from neo4j_relpred.graph.proposal import Proposal, propose
from neo4j_relpred.graph.proposed_keys import KeyProbe, SampleProbe, StoreProbe
from neo4j_relpred.graph.schema import discover_schema

__all__ = ["check", "write"]


def write(opened: Opened, output: Path, server: Mapping[str, str | None], *, force: bool, as_json: bool) -> None:
    """Writes the file, and says in short what stands in it."""
    if output.exists() and not force:
        raise InvalidSettings(f"{output} is there already.", hint="Use --force to replace it, or another --output.")
    # a file that is being replaced may be broken, so it is not read
    settings = replace(opened, read_default=False).settings(graph=server)
    with Neo4jClient.open(settings.graph) as client:
        schema = _look(client, settings.graph)
        proposal = propose(schema, _probe(client, schema))
    output.write_text(render(settings.graph, schema, proposal), encoding="utf-8")
    if as_json:
        print_json(_as_json(output, schema, proposal))
    else:
        _tell(output, schema, proposal)


def check(opened: Opened, output: Path, server: Mapping[str, str | None], *, as_json: bool) -> bool:
    """Compares the file with the graph; whether it can be used."""
    file = opened.file or output
    settings = replace(opened, file=file).settings(graph=server)
    with Neo4jClient.open(settings.graph) as client:
        schema = _look(client, settings.graph)
        found = compare(schema, settings, _probe(client, schema), file.read_text(encoding="utf-8"), shown)
    if as_json:
        rows = [{"level": f.level, "setting": f.setting, "found": f.found, "hint": f.hint} for f in found]
        print_json({"file": str(file), "findings": rows})
    elif found:
        table("", ("", "setting", "found", "what to do"), [(f.level, f.setting, f.found, f.hint) for f in found])
    else:
        click.echo(f"{file} fits the graph.")
    return all(finding.level != "error" for finding in found)


def _look(client: Neo4jClient, graph: GraphSettings) -> GraphSchema:
    """The schema, with bars for people who wait in front of a terminal."""
    bars = progress_bars() if sys.stderr.isatty() else contextlib.nullcontext(lambda stage, share: None)
    with bars as progress:
        return discover_schema(client, graph, thorough=True, progress=progress)


def _probe(client: Neo4jClient, schema: GraphSchema) -> KeyProbe:
    return StoreProbe(client, SampleProbe(schema))


def _as_json(output: Path, schema: GraphSchema, proposal: Proposal) -> dict[str, object]:
    return {
        "file": str(output),
        "nodes": schema.nodes,
        "labels": {label.name: label.count for label in schema.labels},
        "relations": {relation.name: relation.count for relation in schema.relations},
        "keys": proposal.keys,
        "withoutKey": sum(several.count for several in proposal.key_choice.without),
        "names": proposal.names,
        "texts": proposal.texts,
        "predicted": proposal.types.relations,
        "notPredicted": dict(proposal.types.left_out),
    }


def _tell(output: Path, schema: GraphSchema, proposal: Proposal) -> None:
    click.echo(f"Wrote {output}: {len(schema.labels)} labels, {len(schema.relations)} relationship types.")
    for what, names in (
        ("names", proposal.names),
        ("texts", proposal.texts),
        ("keys", [f"{label}.{name}" for label, name in proposal.keys.items()]),
        ("to predict", proposal.types.relations),
        ("not to predict", list(proposal.types.left_out)),
    ):
        some = ", ".join(map(shown, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        click.echo(f"  {what}: {some or 'none'}")
    if not schema.relations:
        _warn("the graph has no relationships yet; there is nothing to learn from.")
    elif proposal.types.least_bad:
        _warn("nothing can be missing of any relationship type; the least bad one is to be predicted.")
    if proposal.key_choice.without:
        nodes = sum(several.count for several in proposal.key_choice.without)
        _warn(f"about {nodes} nodes have no key; what is predicted for them does not survive a reload of the store.")
    click.echo(f"Read {output}, which says why, then: relpred train --minutes 10")


def _warn(text: str) -> None:
    click.secho(f"Warning: {text}", fg="yellow", err=True)
