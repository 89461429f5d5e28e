"""The schedule: looks for changes again and again, learns at night, and says how it is."""

from neo4j_relpred.daemon.run import run_daemon

__all__ = ["run_daemon"]
