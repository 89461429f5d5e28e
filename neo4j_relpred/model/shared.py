"""A model over the graph that it serves, as a folder: read by mapping it into memory, so that processes share one copy.

Beside the files of a checkpoint it holds what was worked out of the whole graph: whoever reads it works out nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from neo4j_relpred.data.folder import verified, write_folder
from neo4j_relpred.errors import CheckpointCorrupt
from neo4j_relpred.model.checkpoint import Checkpoint, read_files, write_files
from neo4j_relpred.model.rough import RoughTable
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.triples import Relation

__all__ = ["read_shared", "write_shared"]

WORKED = "worked.safetensors"
COLUMNS = "columns"  # mark of a table that lies column after column in memory, as compiled loops want to find it
HINT = "It is written anew by the next start."


def write_shared(checkpoint: Checkpoint, folder: Path) -> None:
    """Writes it, whole or not at all, with what the model has worked out of the whole graph. Raises StorageFailed."""
    members = checkpoint.model.members
    _ = members.tower is not None and members.rough_unit  # of use to some types of questions, maybe of none so far
    _ = members.structure is not None and members.rough_structure

    def fill(aside: Path) -> None:
        write_files(checkpoint, aside)
        worked = {
            f"{part}/{name}/{key}": tensor.contiguous().clone()
            for part, owner in _owners(checkpoint.model).items()
            for name, value in vars(owner).items()
            if name not in {field.name for field in fields(owner)}
            for key, tensor in _tensors(value)
        }
        save_file(worked, aside / WORKED)

    write_folder(folder, fill, {})


def read_shared(folder: Path, symmetric: Callable[[Sequence[Relation]], Iterable[int]], room: int) -> Checkpoint:
    """The model of a folder that `write_shared` wrote. Raises CheckpointCorrupt when anything in it differs.

    symmetric: which of the relations are so; room: see Parts.
    """
    verified(folder, CheckpointCorrupt, HINT)
    found = read_files(folder, mapped=True)
    members = found.model.members
    graph = replace(members.graph, symmetric=frozenset(symmetric(found.relations)))
    model = replace(found.model, members=replace(members, graph=graph, room=room))
    try:
        worked = load_file(folder / WORKED)
    except (OSError, SafetensorError) as error:
        raise CheckpointCorrupt(f"{folder / WORKED} cannot be read: {error}.", hint=HINT) from error
    owners, values = _owners(model), dict[tuple[str, str], dict[str, Tensor]]()
    for place, tensor in worked.items():
        part, name, key = place.split("/")
        values.setdefault((part, name), {})[key] = tensor
    for (part, name), tensors in values.items():
        vars(owners[part])[name] = _value(tensors)  # where cached properties keep theirs
    return replace(found, model=model)


def _owners(model: TrainedModel) -> Mapping[str, Any]:
    """What works out something of the whole graph, by name."""
    members = model.members
    words = members.words
    bags = {} if words is None else {f"words {name}": bags for name, bags in vars(words).items()}
    return {"graph": members.graph, "members": members, **bags}


def _tensors(value: object) -> Iterator[tuple[str, Tensor]]:
    """What something is made of, each with a key that says how; nothing where it is no table."""
    if isinstance(value, Tensor):
        yield "tensor", value
    elif isinstance(value, np.ndarray):
        by_columns = value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous
        yield (COLUMNS, torch.from_numpy(value.T)) if by_columns else ("array", torch.from_numpy(value))
    elif isinstance(value, RoughTable):
        yield from ((f"rough {name}", tensor) for name, tensor in value.tensors.items())
    elif isinstance(value, tuple) and all(isinstance(one, np.ndarray) for one in value):
        yield from ((f"array {number}", torch.from_numpy(one)) for number, one in enumerate(value))


def _value(tensors: Mapping[str, Tensor]) -> Any:
    """What `_tensors` took apart."""
    (kind, _, several), *_ = (key.partition(" ") for key in tensors)
    if kind == "rough":
        return RoughTable.of({key.removeprefix("rough "): tensor for key, tensor in tensors.items()})
    if several:
        return tuple(tensors[f"array {number}"].numpy() for number in range(len(tensors)))
    (tensor,) = tensors.values()
    if kind == "tensor":
        return tensor
    return tensor.numpy().T if kind == COLUMNS else tensor.numpy()
