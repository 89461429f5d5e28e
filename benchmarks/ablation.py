"""What each part of the model brings: the same training without it, for the same time.

    python -m benchmarks.ablation FOLDER [--minutes 10] [--only NAME,NAME] [--cache FILE] [--json FILE]

One line for each variant, all with seed 0: entity MRR and relation Hits@1 on the test triples of the data folder, and
how much is lost against the whole. `without reasoner` ranks entities by the weighed sum of the members of the whole
model. `few` variants see a tenth of the training edges: that is where self-supervision should show its worth.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.fitting import fit_task, ranking_minutes, report_of, settings_of, settings_options
from benchmarks.folders import DataSet, Task
from benchmarks.output import json_option, say, write_json
from neo4j_relpred.data.knowledge_graph import IntArray
from neo4j_relpred.evaluation.report import Report
from neo4j_relpred.model.trained import TrainedModel

FEW = 0.1


@dataclass(frozen=True)
class Variant:
    """settings: as `--set` takes them; text: whether texts and names are there; share: of the training edges."""

    settings: tuple[str, ...] = ()
    text: bool = True
    share: float = 1.0

    def of(self, data: DataSet) -> DataSet:
        """The data set as this variant sees it."""
        if not self.text:
            nothing = [""] * len(data.texts)
            data = replace(data, names=nothing, texts=nothing)
        if self.share < 1:
            chosen = np.random.default_rng(0).permutation(len(data.train))[: round(self.share * len(data.train))]
            data = replace(data, train=data.train[np.sort(chosen)])
        return data


WHOLE, SUM = "whole", "without reasoner"
VARIANTS: Mapping[str, Variant] = {
    WHOLE: Variant(),
    "without text": Variant(text=False),
    "entity vectors in the tower": Variant(("model.entity_width=32",)),
    "fixed alpha and beta": Variant(("model.gate=fixed",)),
    "without gnn": Variant(("model.gnn_layers=0",)),
    "without rules": Variant(("model.rule_length=0",)),
    "without walks": Variant(("model.walks=false",)),
    "without structure": Variant(("model.structure_rank=0",)),
    "without self-supervision": Variant(("training.selfsupervised_share=0",)),
    "bce alone": Variant(("training.softmax_weight=0", "training.bce_weight=1")),
    "softmax alone": Variant(("training.bce_weight=0",)),
    "attention reasoner": Variant(("model.reasoner=attention",)),
    "transformer reasoner": Variant(("model.reasoner=transformer",)),
    "gcn": Variant(("model.gnn=gcn",)),
    "sage": Variant(("model.gnn=sage",)),
    "gat": Variant(("model.gnn=gat",)),
    "rgcn": Variant(("model.gnn=rgcn",)),
    "few": Variant(share=FEW),
    "few without self-supervision": Variant(("training.selfsupervised_share=0",), share=FEW),
}


class SumOfMembers:
    """The members' weighed sum, which orders what the reasoner does not see."""

    name = SUM

    def __init__(self, model: TrainedModel) -> None:
        self._members = model.members

    def entity_scores(self, relation: int, anchors: IntArray) -> npt.NDArray[np.floating]:
        """(q, entities)."""
        nothing = np.empty(0, np.int64)
        proposal = self._members.propose(relation, anchors, (nothing, nothing))
        scores = np.full((len(anchors), len(proposal.pool.place)), -np.inf)
        scores[:, proposal.pool.entities] = proposal.base
        return scores

    def relation_scores(self, heads: IntArray, tails: IntArray) -> None:
        """It answers no such questions."""


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description="What each part brings.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where its files are")
    parser.add_argument("--minutes", type=float, default=10.0, help="everything, for each variant (default: 10)")
    parser.add_argument("--only", metavar="NAME,NAME", help=f"some of: {', '.join(VARIANTS)}")
    settings_options(parser)
    json_option(parser)
    options = parser.parse_args(words)
    chosen = options.only.split(",") if options.only else list(VARIANTS)
    for name in chosen:
        if name not in VARIANTS:
            parser.error(f"There is no variant {name!r}; there are {', '.join(VARIANTS)}.")
    task, figures = Task.read(options.folder), dict[str, float]()
    print(f"{'':<30} {'entity MRR':>10} {'relation H@1':>12}")
    for name in chosen:
        say(name)
        variant = VARIANTS[name]
        settings = settings_of([*options.set, *variant.settings], 0)
        learnt = variant.of(task.learnt)
        seen = Task(learnt, variant.of(task.asked) if task.inductive else learnt)
        kept = ranking_minutes(options.minutes, len(seen.asked.test), settings)
        fitted = fit_task(seen, options.minutes - kept, settings, options.cache)
        rivals = [SumOfMembers(fitted.asked)] if name == WHOLE else []
        report = report_of(task, fitted.asked, rivals, settings)  # whatever it saw, the filter is whole
        figures |= _shown(name, report, figures)
    write_json(figures, options.json)


def _shown(name: str, report: Report, before: Mapping[str, float]) -> dict[str, float]:
    """Prints a variant; its figures."""
    lines = {name: (report.entities.mrr, report.relations.hits_at(1))}
    if SUM in report.baselines and (summed := report.baselines[SUM].entities) is not None:
        lines[SUM] = summed.mrr, float("nan")
    found: dict[str, float] = {}
    for label, (entity, relation) in lines.items():
        whole = before.get(f"{WHOLE}_entity_mrr", found.get(f"{WHOLE}_entity_mrr", entity))
        print(f"{label:<30} {entity:>10.4f} {relation:>12.4f} {entity - whole:>+8.4f}", flush=True)
        found[f"{label.replace(' ', '_')}_entity_mrr"] = entity
        if not math.isnan(relation):
            found[f"{label.replace(' ', '_')}_relation_hits_at_1"] = relation
    return found


if __name__ == "__main__":
    main()
