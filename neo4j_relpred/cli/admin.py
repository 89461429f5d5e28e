"""Commands for administrators: admin lease list|break."""

from __future__ import annotations

import click

from neo4j_relpred.cli.lazy import Opened
from neo4j_relpred.cli.show import json_option, print_json, table

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
        leases = predictor.leases()
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
        was = predictor.break_lease(name)
    click.echo(f"Lease {name} is free; {was.owner} has lost it." if was.held else f"Lease {name} was free already.")
