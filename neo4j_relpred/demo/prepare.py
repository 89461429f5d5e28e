"""`python -m neo4j_relpred.demo.prepare`: fetches the files of a server line before they are needed."""

from __future__ import annotations

from pathlib import Path

import click

from neo4j_relpred.demo.artifacts import choose_line, default_cache, prepare_lib


@click.command()
@click.option("--line", help="Server line, 5 or 2026; chosen by the JDK at hand by default.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder to keep the files in.")
def prepare(line: str | None, cache: Path | None) -> None:
    """Fetch the files of a Neo4j Community server line."""
    chosen = choose_line(line)
    folder = prepare_lib(chosen, cache or default_cache())
    click.echo(f"Neo4j Community {chosen.version}: {folder}")


if __name__ == "__main__":
    prepare()
