"""How much memory a training will take, told before it begins, and what the machine has free.

The sums follow the arrays that grow with the graph; see docs/guide/operations.md for how far they are from what was
measured.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.errors import TooLittleMemory
from neo4j_relpred.model.chunks import MEMORY
from neo4j_relpred.model.features import FEATURE_NAMES
from neo4j_relpred.training.structure import EXACT_ENTITIES
from neo4j_relpred.training.tower import DENSE_ENTITIES, NEGATIVES

__all__ = [
    "HELD_BYTES",
    "HELD_SHARE",
    "Size",
    "demand",
    "fits_beside",
    "free_memory",
    "give_back",
    "limit_caches",
    "refuse_too_large",
]

HELD_BYTES = 3 << 30  # that the features of held-out queries may take, however much time there is
CACHED_PRODUCTS = "64"  # kinds of matrix products that torch keeps ready: batches of a graph hardly ever repeat a shape
FLOAT, INT = 4, 8  # bytes
ROW_TENSORS = 80  # as wide as the tower that steps take for each of their rows: gradients, and gaps between old ones
CHUNK_ARRAYS = 3  # times MEMORY numbers that asking holds in all
LEAST_SECONDS = 1e-3, 1e-8  # that features and fits take for a held-out query, and more for each entity of the graph
HELD_SHARE = 0.4  # of the time, that the reasoners and their held-out queries may take
FOLD_COPY = 1.75  # times the features: most of them are copied for a fold
WORD_BYTES = 500  # of a node's name and text as words
BESIDE_BYTES = 500_000_000  # of another process with torch in it
BESIDE_SHARE = 0.5  # of what is free, that a training with two processes may take
GIGA = 1e9


@dataclass(frozen=True)
class Size:
    """What a training reads. triples: held-out ones too; text_width: 0 where there are no texts."""

    entities: int
    triples: int
    relations: int
    text_width: int = 0
    held_out: int = 0
    words: bool = False


def demand(size: Size, model: ModelSettings, training: TrainingSettings) -> dict[str, float]:
    """Bytes at the peak, beside what is there before (triples and text vectors), by what lowers them.

    A training has three peaks, one after the other: the structure member, the tower, and the reasoners with the report
    after it; the parts are those of the largest.
    """
    phases = _structure(size, model, training), _tower(size, model, training), _reasoners(size, model, training)
    shared = {"graph": _graph(size), "text": FLOAT * size.entities * size.text_width}
    shared["text"] += WORD_BYTES * size.entities * size.words
    largest = max(phases, key=lambda parts: sum(parts.values()))
    return {name: shared.get(name, 0.0) + largest.get(name, 0.0) for name in shared | largest}


def _graph(size: Size) -> float:
    """Edges with inverses, their keys, pairs of ends and a copy of the triples; counts of each type at each node."""
    edges = 2 * size.triples
    return INT * (3 + 1 + 2 + 1.5) * edges + size.entities * (2 * INT + FLOAT * 2 * size.relations)


def _structure(size: Size, model: ModelSettings, training: TrainingSettings) -> dict[str, float]:
    if not model.structure_rank:
        return {}
    table = FLOAT * size.entities * 2 * model.structure_rank
    exact = size.entities <= EXACT_ENTITIES
    logits = 3 * FLOAT * min(training.batch_size, 2 * size.triples) * min(size.entities, EXACT_ENTITIES) * exact
    order = 4 * INT * 2 * size.triples  # questions, where they begin, how many answers, in which order
    return {"structure": table * (3 if exact else 2) + logits, "graph": order}


def _tower(size: Size, model: ModelSettings, training: TrainingSettings) -> dict[str, float]:
    kept = FLOAT * size.entities * 2 * model.structure_rank
    vectors = FLOAT * size.entities * (model.entity_width or 0) * (4 if size.entities <= DENSE_ENTITIES else 3)
    seeds = min(training.batch_size, 2 * size.triples) + NEGATIVES
    rows = min(seeds * (1 + model.neighbors) ** model.gnn_layers, 20 * size.entities)
    encoded = 2 * FLOAT * size.entities * model.hidden  # before and after messages
    step = ROW_TENSORS * FLOAT * rows * model.hidden
    return {"structure": kept, "tower": vectors + max(encoded, step), "text": 2 * size.entities * size.text_width}


def _reasoners(size: Size, model: ModelSettings, training: TrainingSettings) -> dict[str, float]:
    """Or the report: then there are three graphs (trained on, asked, true) and encodings of two."""
    structure = FLOAT * size.entities * 2 * model.structure_rank
    tower = FLOAT * size.entities * ((model.entity_width or 0) + model.hidden)
    chunk = CHUNK_ARRAYS * FLOAT * min(MEMORY, 256 * 18 * size.entities)
    seconds = LEAST_SECONDS[0] + LEAST_SECONDS[1] * size.entities
    queries = min(2 * size.held_out, HELD_SHARE * 60 * training.minutes / seconds)
    each = min(model.candidates, size.entities) * (FLOAT * len(FEATURE_NAMES) + 4 * INT)
    held = FOLD_COPY * min(float(HELD_BYTES), queries * each)
    report = 2 * _graph(size) + FLOAT * size.entities * 2 * model.hidden
    likeness = 2 * FLOAT * size.entities * 2 * size.relations  # of what touches a node: logarithms, then unit vectors
    return {
        "structure": structure * 1.25,  # the vectors of a pool lie beside it
        "tower": tower * 1.25,
        "candidates": chunk + held,
        "graph": likeness + max(0.0, report - held),
    }


def refuse_too_large(size: Size, model: ModelSettings, training: TrainingSettings) -> None:
    """Raises TooLittleMemory where a training will not fit; where the machine does not say what is free, nothing."""
    free = free_memory()
    parts = demand(size, model, training)
    total = sum(parts.values())
    if free is None or total <= free:
        return
    says = {
        "structure": f"model.structure_rank ({model.structure_rank})",
        "tower": f"model.hidden ({model.hidden})",
        "candidates": f"model.candidates ({model.candidates})",
        "graph": "what is read (graph.labels, graph.relations)",
        "text": "text.encoder, whose vectors may be shorter or none",
    }
    largest = sorted((name for name in parts if parts[name] > 0.05 * total), key=lambda name: -parts[name])
    advice = ", ".join(f"{says[name]}: {parts[name] / GIGA:.1f} GB" for name in largest)
    raise TooLittleMemory(
        f"Training on {size.entities:,} nodes and {size.triples:,} relationships takes about {total / GIGA:.1f} GB of "
        f"memory; {free / GIGA:.1f} GB are free.",
        hint=f"Lower what takes most, or train where there is more memory. {advice}.",
    )


def fits_beside(size: Size, model: ModelSettings, training: TrainingSettings) -> bool:
    """Whether the structure member may learn in a process of its own, with a graph of its own, beside the rest."""
    free = free_memory()
    if free is None:
        return True
    beside = _graph(size) + sum(_structure(size, model, training).values()) + BESIDE_BYTES
    return sum(demand(size, model, training).values()) + beside <= BESIDE_SHARE * free


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take: of the machine, and of its control groups; None where nothing says it."""
    found = [*_available(root), *_within_groups(root)]
    return max(0, min(found)) if found else None


def _available(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _within_groups(root: Path) -> Iterator[int]:
    """What each limit on the way up leaves, in version 2 and 1; a cache of files gives way and counts as free."""
    for line in _lines(root / "proc/self/cgroup"):
        number, kinds, path = line.split(":", 2)
        if number == "0":
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        inner = top / path.lstrip("/")
        for folder in [inner, *inner.parents]:
            limit, used = (_number(folder / name) for name in names[:2])
            if limit is not None and used is not None:
                cached = dict(line.split()[:2] for line in _lines(folder / "memory.stat")).get(names[2], "0")
                yield limit - used + int(cached)
            if folder == top:
                break


def _number(file: Path) -> int | None:
    lines = _lines(file)
    return int(lines[0]) if lines and lines[0].isdigit() else None  # "max" is no limit


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def limit_caches() -> None:
    """Before the first matrix product of a process: torch keeps a thousand kinds, which scatter over the memory."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", CACHED_PRODUCTS)


def give_back() -> None:
    """Hands freed memory back to the system, where the allocator would keep it for later."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
        if trim is not None:
            trim(0)
