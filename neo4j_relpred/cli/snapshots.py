"""The command snapshot: reads the graph; and its verbs show, diff, verify, which look at what was read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, progress_bars, table
from neo4j_relpred.errors import SnapshotCorrupt

if TYPE_CHECKING:
    from neo4j_relpred.data.changes import Changes
    from neo4j_relpred.data.snapshot import Snapshot

__all__ = ["snapshot"]

SHOWN_IDS = 10
number_argument = click.argument("number", type=int, required=False)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def snapshot(context: click.Context, as_json: bool) -> None:
    """Read the graph and keep it as the latest snapshot; or look at those that are kept.

    Example: relpred snapshot --json
    """
    if context.invoked_subcommand is not None:
        return
    opened: Opened = context.obj
    started = time.monotonic()
    with opened.predictor() as predictor, progress_bars() as progress:
        data = predictor.snapshot(progress)
        number = predictor.snapshots.stamp
    seconds = time.monotonic() - started
    if as_json:
        left_out = {name: data.about[name] for name in ("edgesLeftOut", "nodesGoneMeanwhile")}
        print_json({"number": number, **_figures(data), **left_out, "seconds": round(seconds, 3)})
        return
    counts = f"{len(data.ids)} nodes, {data.edges.num_rows} edges of {len(data.relations)} types"
    click.echo(f"Snapshot {number}: {counts}; content {data.content_hash[:12]}; {seconds:.1f} s.")
    if data.about["edgesLeftOut"]:
        click.echo(f"  {data.about['edgesLeftOut']} edges left out: an end is not among the nodes that are read.")
    if data.about["nodesGoneMeanwhile"]:
        click.echo(f"  {data.about['nodesGoneMeanwhile']} nodes went away while the graph was read.")


@snapshot.command()
@number_argument
@json_option
@click.pass_obj
def show(opened: Opened, number: int | None, as_json: bool) -> None:
    """Show what a snapshot holds, the latest by default.

    Example: relpred snapshot show
    """
    with opened.predictor() as predictor:
        data = predictor.snapshots.read(number)
        kept = predictor.snapshots.numbers()
    parts = {"labels": data.label_counts(), "relations": data.relation_counts(), "properties": data.property_counts()}
    if as_json:
        print_json({"kept": kept, "createdAt": data.about["createdAt"], **_figures(data), **parts})
        return
    click.echo(f"Snapshot {number or kept[-1]} of {data.about['createdAt']}; kept are {', '.join(map(str, kept))}.")
    click.echo(f"{len(data.ids)} nodes, {data.edges.num_rows} edges; content {data.content_hash}.")
    for title, counts in parts.items():
        table("", (title, "count"), sorted(counts.items(), key=lambda pair: -pair[1]), numbers=(1,))


@snapshot.command()
@click.argument("before", type=int, required=False)
@click.argument("after", type=int, required=False)
@json_option
@click.pass_obj
def diff(opened: Opened, before: int | None, after: int | None, as_json: bool) -> None:
    """Show what changed between two snapshots, by default from the last but one to the latest.

    Example: relpred snapshot diff
    """
    from neo4j_relpred.data.changes import compare

    with opened.predictor() as predictor:
        kept = predictor.snapshots
        numbers = kept.numbers()
        if before is None and len(numbers) < 2:
            raise SnapshotCorrupt(
                "There is no snapshot before the latest one.", hint="Take another one with `relpred snapshot`."
            )
        changes = compare(kept.read(numbers[-2] if before is None else before), kept.read(after))
    if as_json:
        print_json({name: getattr(changes, name) for name in changes.__dataclass_fields__})
        return
    _show_changes(changes)


@snapshot.command()
@json_option
@click.pass_obj
def verify(opened: Opened, as_json: bool) -> None:
    """Check that every snapshot that is kept is as it was written.

    Example: relpred snapshot verify
    """
    found: dict[int, str] = {}
    with opened.predictor() as predictor:
        for number in predictor.snapshots.numbers():
            try:
                data = predictor.snapshots.read(number)
                whole = data.content_hash == data.about["contentHash"]
                found[number] = "ok" if whole else "its content has another hash than its manifest says"
            except SnapshotCorrupt as error:
                found[number] = error.message
    if as_json:
        print_json({str(number): state for number, state in found.items()})
    else:
        table("", ("snapshot", "state"), list(found.items()))
    if any(state != "ok" for state in found.values()):
        raise SnapshotCorrupt("A snapshot is damaged.", hint="Take a new one with `relpred snapshot`.")


def _figures(data: Snapshot) -> dict[str, object]:
    return {"nodes": len(data.ids), "edges": data.edges.num_rows, "contentHash": data.content_hash}


def _show_changes(changes: Changes) -> None:
    if not changes:
        click.echo("Nothing changed.")
        return
    kinds = {
        "new nodes": changes.new,
        "nodes gone": changes.gone,
        "other text or labels": changes.text,
        "other neighbourhood": changes.neighborhood,
    }
    rows = [
        (kind, len(ids), ", ".join(ids[:SHOWN_IDS]) + (", ..." if len(ids) > SHOWN_IDS else ""))
        for kind, ids in kinds.items()
    ]
    rows += [("new edges", changes.new_edges, ""), ("edges gone", changes.gone_edges, "")]
    table("", ("", "count", "which"), rows, numbers=(1,))
