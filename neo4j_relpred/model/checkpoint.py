"""A trained model as a folder: weights in safetensors, the rest in JSON, hashes in the manifest. No pickle.

Loading needs nothing of the training code. Layout: weights.safetensors (every tensor, by the part it belongs to),
model.json (shapes, settings, names, report), manifest.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from neo4j_relpred.config import ModelSettings
from neo4j_relpred.data.folder import verified, write_folder
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.errors import CheckpointCorrupt
from neo4j_relpred.model.calibration import Calibration
from neo4j_relpred.model.layout import DESCRIPTION, HINT, WEIGHTS
from neo4j_relpred.model.members import Members, Weights
from neo4j_relpred.model.reasoner import Reasoners
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.rules import Rules
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.trained import TrainedModel
from neo4j_relpred.model.unasked import Unasked
from neo4j_relpred.model.words import Bags, Words
from neo4j_relpred.triples import EntityId, Relation

__all__ = ["FORMAT", "Checkpoint", "load_checkpoint", "read_files", "save_checkpoint", "write_files"]

FORMAT = 8
Part = TypeVar("Part", bound=nn.Module)


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with the names of its rows. entities[i] is row i; about: what else was recorded.

    learnt: (triples of its graph,) those that its weights have learnt from, where that is known.
    """

    model: TrainedModel
    entities: tuple[EntityId, ...]
    relations: tuple[Relation, ...]
    about: Mapping[str, Any]
    learnt: npt.NDArray[np.bool_] | None = None


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> Path:
    """Writes the folder, whole or not at all."""
    return write_folder(folder, lambda aside: write_files(checkpoint, aside), {"format": FORMAT})


def write_files(checkpoint: Checkpoint, folder: Path) -> None:
    """Puts weights and description into a folder."""
    model, members = checkpoint.model, checkpoint.model.members
    tensors: dict[str, Tensor] = {
        "graph.triples": torch.from_numpy(model.graph.triples),
        "text": members.text,
        "centre": model.centre,
        "missing": torch.from_numpy(model.missing),
        "unasked.slope": torch.from_numpy(model.unasked.slope),
        "unasked.offset": torch.from_numpy(model.unasked.offset),
        "encoded": members.encoded,
        "rules.body": torch.from_numpy(members.rules.body),
        "rules.head": torch.from_numpy(members.rules.head),
        "rules.confidence": torch.from_numpy(members.rules.confidence),
        "rules.support": torch.from_numpy(members.rules.support),
    }
    if checkpoint.learnt is not None:
        tensors["graph.learnt"] = torch.from_numpy(checkpoint.learnt)
    for name, bags in _bags(members).items():
        tensors |= {f"words.{name}.{key}": torch.from_numpy(getattr(bags, key)) for key in ("offsets", "tokens")}
    for name, part in _modules(model).items():
        tensors |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
    for name, calibration in (("entities", model.entity_calibration), ("relations", model.relation_calibration)):
        for key in ("weights", "slope", "intercept", "missing"):
            tensors[f"calibration.{name}.{key}"] = torch.from_numpy(getattr(calibration, key))
    description = {
        "settings": members.settings.model_dump(),
        "entities": checkpoint.entities,
        "relations": checkpoint.relations,
        "trained": members.trained,
        "weights": asdict(members.weights),
        "baseRate": model.base_rate,
        "members": [name for name in ("structure", "tower") if getattr(members, name) is not None],
        "headUses": model.head.uses,
        "reasonerBases": {
            "entity_reasoner": model.entity_reasoner.base,
            "relation_reasoner": model.relation_reasoner.base,
        },
        "about": checkpoint.about,
    }
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads a folder that `save_checkpoint` wrote. Raises CheckpointCorrupt when anything in it differs."""
    manifest = verified(folder, CheckpointCorrupt, HINT)
    if manifest.get("format") != FORMAT:
        raise CheckpointCorrupt(f"{folder} has another format than {FORMAT}.", hint=HINT)
    return read_files(folder)


def read_files(folder: Path, *, mapped: bool = False) -> Checkpoint:
    """What `write_files` put there. Raises CheckpointCorrupt.

    mapped: the parts have their tensors where they lie in the file, which is mapped into memory, instead of a copy.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
        model = _assembled(description, tensors, mapped=mapped)
    except (KeyError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        raise CheckpointCorrupt(f"{folder} does not hold a whole model: {error}.", hint=HINT) from error
    names = tuple(description["entities"]), tuple(description["relations"])
    learnt = tensors["graph.learnt"].numpy() if "graph.learnt" in tensors else None
    return Checkpoint(model, *names, description["about"], learnt)


def _assembled(description: Mapping[str, Any], tensors: Mapping[str, Tensor], *, mapped: bool) -> TrainedModel:
    settings = ModelSettings(**description["settings"])
    entities, relations = len(description["entities"]), len(description["relations"])
    width, trained = 2 * relations, int(description["trained"])
    text = tensors["text"]
    structure, tower = None, None
    if "structure" in description["members"]:
        structure = _filled(ComplEx(trained, width, settings.structure_rank), "structure", tensors, mapped)
    if "tower" in description["members"]:
        tower = _filled(Tower(trained, width, text.shape[1], settings), "tower", tensors, mapped)
    columns = (tensors[f"rules.{key}"].numpy() for key in ("body", "head", "confidence", "support"))
    graph = KnowledgeGraph(entities, relations, tensors["graph.triples"].numpy())
    rules, words = Rules(width, *columns), _words(tensors)
    weights = Weights(**{kind: tuple(row) for kind, row in description["weights"].items()})
    members = Members(graph, text, rules, structure, tower, tensors["encoded"], settings, trained, words, weights)
    head = _filled(RelationHead(relations, text.shape[1], **description["headUses"]), "head", tensors, mapped)

    def reasoner(name: str) -> Reasoners:
        base, state = description["reasonerBases"][name], _of(name, tensors)
        return Reasoners.of_state(settings.reasoner, width, base, state).requires_grad_(requires_grad=False)

    def calibration(name: str) -> Calibration:
        keys = ("weights", "slope", "intercept", "missing")
        return Calibration(*(tensors[f"calibration.{name}.{key}"].numpy() for key in keys))

    return TrainedModel(
        members=members,
        head=head,
        entity_reasoner=reasoner("entity_reasoner"),
        relation_reasoner=reasoner("relation_reasoner"),
        entity_calibration=calibration("entities"),
        relation_calibration=calibration("relations"),
        base_rate=float(description["baseRate"]),
        missing=tensors["missing"].numpy(),
        unasked=Unasked(tensors["unasked.slope"].numpy(), tensors["unasked.offset"].numpy()),
        centre=tensors["centre"],
    )


def _bags(members: Members) -> dict[str, Bags]:
    return {} if members.words is None else {field.name: getattr(members.words, field.name) for field in fields(Words)}


def _words(tensors: Mapping[str, Tensor]) -> Words | None:
    if not any(name.startswith("words.") for name in tensors):
        return None
    parts = (
        tuple(tensors[f"words.{field.name}.{key}"].numpy() for key in ("offsets", "tokens")) for field in fields(Words)
    )
    return Words(*(Bags(*part) for part in parts))


def _modules(model: TrainedModel) -> dict[str, nn.Module]:
    parts: dict[str, nn.Module | None] = {
        "structure": model.members.structure,
        "tower": model.members.tower,
        "head": model.head,
        "entity_reasoner": model.entity_reasoner,
        "relation_reasoner": model.relation_reasoner,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _filled(module: Part, name: str, tensors: Mapping[str, Tensor], mapped: bool) -> Part:
    module.load_state_dict(_of(name, tensors), assign=mapped)
    return module.requires_grad_(requires_grad=False).train(mode=False)


def _of(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
