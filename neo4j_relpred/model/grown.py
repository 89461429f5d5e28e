"""Weights of a trained model laid out over another list of entities and relations, for a training to go on from.

Nodes and types came, went, or stand in another order: the rows of those that stayed move, new ones get the values that
a training would begin with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.model.reasoner import Reasoner, Reasoners
from neo4j_relpred.model.relation_head import RelationHead
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.model.tower import Tower
from neo4j_relpred.model.trained import TrainedModel

__all__ = ["Start", "grown", "lend"]

Part = TypeVar("Part", bound=nn.Module)
Make = Callable[[int, int], Part]  # of so many entities and relations, without inverses


@dataclass(frozen=True)
class Start:
    """What a training goes on from; None where the model has no such member. centre: see TrainedModel."""

    structure: ComplEx | None
    tower: Tower | None
    head: RelationHead
    entity_reasoner: Reasoners
    relation_reasoner: Reasoners
    centre: Tensor


def grown(model: TrainedModel, entities: IntArray, relations: IntArray, seed: int = 0) -> Start:
    """entities (n,), relations (R,): for each row of the new lists its row in the model, -1 where it is new."""
    members = model.members
    settings, width = members.settings, members.text.shape[1]
    places = np.where(entities < members.trained, entities, -1), relations

    def structure(count: int, types: int) -> ComplEx:
        return ComplEx(count, 2 * types, settings.structure_rank)

    def tower(count: int, types: int) -> Tower:
        return Tower(count, 2 * types, width, settings)

    def head(_count: int, types: int) -> RelationHead:
        return RelationHead(types, width, **model.head.uses)

    def reasoner(live: Reasoners) -> Reasoners:
        def make(_count: int, types: int) -> Reasoners:
            size, number = len(live.mean), len(live.networks)
            return Reasoners(Reasoner(settings.reasoner, size, 2 * types, live.base) for _ in range(number))

        return _laid_out(live, make, *places, seed)

    with torch.random.fork_rng(devices=()):
        return Start(
            None if members.structure is None else _laid_out(members.structure, structure, *places, seed),
            None if members.tower is None else _laid_out(members.tower, tower, *places, seed),
            _laid_out(model.head, head, *places, seed),
            reasoner(model.entity_reasoner),
            reasoner(model.relation_reasoner),
            model.centre,
        )


def lend(start: nn.Module | None, part: nn.Module) -> bool:
    """Gives a part the weights of `start` where there is one of the same shapes; whether it did."""
    fits = start is not None and _shapes(start) == _shapes(part)
    if start is not None and fits:
        part.load_state_dict(start.state_dict())
    return fits


def _laid_out(old: Part, make: Make[Part], entities: IntArray, relations: IntArray, seed: int) -> Part:
    """The part over new lists. Which sizes of which weights go with them is seen by making it larger by one."""
    plain, wider, richer = (_shapes(make(*sizes)) for sizes in ((2, 2), (3, 2), (2, 3)))
    torch.default_generator.manual_seed(seed)  # the others are not put back, and nothing is drawn from them
    new = make(len(entities), len(relations))
    state = new.state_dict()
    for name, value in old.state_dict().items():
        moved, into = value, state[name]
        places = []  # by axis: where it is in the old weight, and which of these are there
        for axis, size in enumerate(plain[name]):
            of_entities, of_relations = wider[name][axis] - size, richer[name][axis] - size
            rows = entities if of_entities else relations if of_relations else np.arange(0)
            blocks = of_entities or of_relations
            places.append(_places(rows, blocks, value.shape[axis], into.shape[axis]))
        for axis, place in enumerate(places):
            moved = moved.index_select(axis, place.clamp(min=0))
        there = torch.ones((), dtype=torch.bool)
        for axis, place in enumerate(places):
            there = there & (place >= 0).reshape([-1 if axis == own else 1 for own in range(value.dim())])
        into.copy_(torch.where(there, moved, into))
    return new.requires_grad_(requires_grad=False).train(mode=False)


def _places(rows: IntArray, blocks: int, old: int, new: int) -> Tensor:
    """(new,): where each entry of an axis was, -1 for nowhere.

    Tables of relations come block after block (relations, then inverses; heads' counts, then tails'), the rest after.
    """
    rest = new - blocks * len(rows)
    each = (old - rest) // blocks if blocks else 0
    known = [np.where(rows >= 0, rows + number * each, -1) for number in range(blocks)]
    return torch.from_numpy(np.concatenate([*known, np.arange(old - rest, old)]))


def _shapes(part: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in part.state_dict().items()}
