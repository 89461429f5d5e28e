"""How often what failed by itself, a text or an edge, is tried again, and after which pauses."""

from __future__ import annotations

__all__ = ["MOST_TRIES", "PAUSE_SECONDS"]

MOST_TRIES = 6
PAUSE_SECONDS = 180.0  # before the second try; one more of these before each further one
