"""Sentences to compare two ways of encoding with: of many kinds, languages and lengths."""

from __future__ import annotations

__all__ = ["SENTENCES"]

_LINES = (
    "A library for reading and writing compressed archives.",
    "Ada Lovelace",
    "The river rises in the mountains and reaches the sea after four hundred miles.",
    "command line tool to convert images between formats",
    "She was appointed professor of chemistry at the university in 1911.",
    "This package contains the header files and static libraries needed to compile programs.",
    "Der Zug nach Süden fährt heute nicht.",
    "an increase in the activity of an enzyme",
    "Two tickets for the late show, please!",
    "42",
    "La ville est connue pour son marché du dimanche et ses vieux ponts.",
    "Black-and-white film about a clerk who forges a cheque and cannot stop.",
    "acute inflammation of the lining of the stomach",
    "He plays midfield for the national team; before that, he spent six seasons abroad.",
    "Server, client and documentation of a message queue with durable topics",
    "東京は日本の首都です。",
    "Invoice 2019-0042: three chairs, one table, delivery included.",
    "The treaty ended a war of thirty years and moved the border to the east.",
    "small mammal with long ears",
    "How do I reset my password?",
    "El autor vivió en Buenos Aires hasta su muerte.",
    "Simulation of fluids on unstructured meshes, with plug-ins for turbulence models.",
    "Chairman of the board, shareholder, and cousin of the founder",
    "Москва и область",
    "Dark chocolate, sea salt, roasted almonds.",
    "Transitional dummy package; it can safely be removed.",
    "The committee rejected the proposal, although most speakers had been in favour of it.",
    "bind, tie, fasten: make secure with a rope or string",
    "Asteroid discovered by photography in the outer belt",
    "A novel in which nothing happens, twice.",
    "GET /v1/health returned 503 after 30 s",
    "Winner of the award for best supporting actress in the same year",
)
# 32 alone, 16 in pairs, 16 in fives: texts of one word to about a hundred.
SENTENCES: tuple[str, ...] = (
    *_LINES,
    *(f"{_LINES[row]} {_LINES[row + 16]}" for row in range(16)),
    *(" ".join(_LINES[(row * 7 + step * 5) % 32] for step in range(5)) for row in range(16)),
)
