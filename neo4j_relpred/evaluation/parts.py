"""Which members a model has on its graph, what each counts, and why it is as it is: a part of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neo4j_relpred.model.members import Members

__all__ = ["Part", "parts_of"]


@dataclass(frozen=True)
class Part:
    """weight, new_weight: in the sum that chooses candidates, for trained and for new nodes; None where it is out."""

    name: str
    weight: float | None
    new_weight: float | None
    why: str


def parts_of(members: Members) -> tuple[Part, ...]:
    """Structure, tower, rules and walks, in this order."""
    there = {
        "structure": (members.structure is not None, _structure(members)),
        "tower": (members.tower is not None, _tower(members)),
        "rules": (len(members.rules) > 0 and members.settings.rule_length > 0, _rules(members)),
        "walks": (members.settings.walks, "two and three steps" if members.settings.walks else "model.walks is false"),
    }
    weights = zip(there.items(), members.weights.known, members.weights.new, strict=True)
    return tuple(
        Part(name, known, new, why) if used else Part(name, None, None, why)
        for (name, (used, why)), known, new in weights
    )


def _structure(members: Members) -> str:
    if members.structure is None:
        return "model.structure_rank is 0" if not members.settings.structure_rank else "none for a graph of new nodes"
    return f"ComplEx of rank {members.structure.rank}"


def _tower(members: Members) -> str:
    if members.tower is None:
        return "none was trained"
    settings, text = members.settings, members.text
    share = text.any(-1).count_nonzero().item() / max(1, len(text)) if text.shape[1] else 0.0
    vectors = members.tower.fusion.entity.shape[-1]
    own = (
        f"{vectors} learnt numbers for each"
        if vectors
        else "nothing learnt by heart of each, since texts tell them apart"
    )
    layers = f"{settings.gnn} in {settings.gnn_layers} layers" if settings.gnn_layers else "no messages"
    return f"{share:.0%} of the nodes have a text; {own}; {layers}"


def _rules(members: Members) -> str:
    if not members.settings.rule_length:
        return "model.rule_length is 0"
    steps = int((members.rules.body >= members.rules.width).sum())
    kinds = f"{len(members.rules) - steps:,} rules of one step and {steps:,} of two, and rules with constants"
    return f"one relationship type: {kinds}" if members.graph.num_relations == 1 else kinds
