"""Commands for administrators: admin lease list|break, admin grants, admin migrate, admin purge."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, progress_bars, table

if TYPE_CHECKING:
    from neo4j_relpred.graph.purge import Purge

__all__ = ["admin"]


@click.group()
def admin() -> None:
    """Look after what is in the graph beside the predictions."""


@admin.group()
def lease() -> None:
    """See who writes into the database, and end it."""


@lease.command("list")
@json_option
@click.pass_obj
def list_leases(opened: Opened, as_json: bool) -> None:
    """List the leases of the database: one publication at a time holds `publish`.

    Example: relpred admin lease list
    """
    with opened.predictor() as predictor:
        leases = predictor.admin.leases()
    if as_json:
        print_json([{name: getattr(one, name) for name in one.__dataclass_fields__} for one in leases])
        return
    rows = [(one.name, one.owner if one.held else "", one.acquired_at, one.expires_at, one.fence) for one in leases]
    table("", ("lease", "held by", "taken", "ends", "fence"), rows, numbers=(4,))


@lease.command("break")
@click.argument("name")
@click.pass_obj
def break_lease(opened: Opened, name: str) -> None:
    """Take the lease NAME away from its holder, whose next write is refused.

    What it has written so far stays valid, and publishing again completes it.

    Example: relpred admin lease break publish
    """
    with opened.predictor() as predictor:
        was = predictor.admin.break_lease(name)
    click.echo(f"Lease {name} is free; {was.owner} has lost it." if was.held else f"Lease {name} was free already.")


@admin.command()
@click.option("--dry-run/--no-dry-run", default=False, help="Say what would be done, and do nothing.")
@click.pass_obj
def migrate(opened: Opened, dry_run: bool) -> None:
    """Bring what stands in the graph to the form of this version. A publication does that by itself.

    Example: relpred admin migrate --dry-run
    """
    with opened.predictor() as predictor:
        steps = predictor.admin.pending_migrations()
        if steps and not dry_run:
            with progress_bars() as progress:
                predictor.admin.migrate(progress)
    for step in steps:
        click.echo(f"{'To do' if dry_run else 'Done'}: version {step.version}, {step.about}.")
    if not steps:
        click.echo("Nothing to do: the graph has the form of this version.")


@admin.command()
@click.option("--accepted/--no-accepted", default=False, help="Also the relationships that people made by accepting.")
@click.option("--dry-run/--no-dry-run", default=False, help="Count, and change nothing.")
@click.option("--yes/--ask", default=False, help="Do not ask before.")
@json_option
@click.pass_obj
def purge(opened: Opened, accepted: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take everything out of the graph that was ever written into it: edges, runs, decisions, leases, constraints.

    What people wrote themselves stays, whatever it is called. Models, snapshots and sets on disk stay as well.

    Example: relpred admin purge --dry-run
    """
    with opened.predictor() as predictor:
        found = predictor.admin.count_ours()
        if not as_json:
            _show_purge(found)
        if not dry_run and (found.total or found.accepted or found.constraints):
            if not yes:
                click.confirm("Remove all of it?", abort=True)
            with progress_bars() as progress:
                found = predictor.admin.purge(accepted=accepted, progress=progress)
            if not as_json:
                click.echo("Removed." if accepted or not found.accepted else "Removed; what was accepted stays.")
    if as_json:
        print_json(asdict(found))


def _show_purge(found: Purge) -> None:
    rows = [("predicted edges", name, number) for name, number in found.edges.items()]
    rows += [("nodes", name, number) for name, number in found.nodes.items()]
    rows += [("accepted relationships", name, number) for name, number in found.accepted.items()]
    rows += [("constraints", "", len(found.constraints))] if found.constraints else []
    table("", ("what", "type or label", "number"), rows, numbers=(2,))
    if not rows:
        click.echo("Nothing of ours is in the graph.")


@admin.command()
@click.option("--reader", default="relpred_reader", show_default=True, help="Role of what reads.")
@click.option("--writer", default="relpred_writer", show_default=True, help="Role of what writes.")
@click.pass_obj
def grants(opened: Opened, reader: str, writer: str) -> None:
    """Print the statements that give two roles what reading and writing take, and nothing else.

    For Neo4j Enterprise and Aura. Run them in the database `system`, grant the roles to two users, and name these as
    graph.user and graph.writer.

    Example: relpred admin grants
    """
    with opened.predictor() as predictor:
        for statement in predictor.admin.grants(reader, writer):
            click.echo(f"{statement};")
