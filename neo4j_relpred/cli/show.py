"""How results look: tables and progress bars on a terminal, plain lines elsewhere, JSON where it is asked for."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from neo4j_relpred.api.publishing import Rehearsal
    from neo4j_relpred.api.versions import Drift
    from neo4j_relpred.evaluation.calibration import CalibrationReport
    from neo4j_relpred.evaluation.live import LivePrecision
    from neo4j_relpred.evaluation.report import Report
    from neo4j_relpred.graph.writer import PublicationReport
    from neo4j_relpred.model.registry import ModelVersion
    from neo4j_relpred.scoring.estimate import Estimate
    from neo4j_relpred.triples import ScoredTriple

__all__ = [
    "drift_words",
    "gate_words",
    "json_option",
    "print_json",
    "progress_bars",
    "show_answers",
    "show_drift",
    "show_gate",
    "show_live",
    "show_publication",
    "show_rehearsal",
    "show_report",
    "show_slices",
    "show_versions",
    "table",
]

json_option = click.option("--json/--no-json", "as_json", default=False, help="Print JSON instead of tables.")
PLAIN_SECONDS = 15.0
MOST_REFUSED_SHOWN = 10  # --json has all of them
MOST_VERSIONS, BAR = 12, 16  # versions shown as bars, and characters of the longest bar


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[int] = ()) -> None:
    """A table; `numbers` are the columns set to the right. Off a terminal it is as wide as it needs to be."""
    grid = Table(title=title or None, title_justify="left", header_style="bold", expand=False)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="right" if number in numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*("" if value is None else str(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False).print(grid)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, float], None]]:
    """A callback (stage, share) drawn as one bar per stage on a terminal, as plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield _PlainProgress()
        return
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bars:
        tasks: dict[str, Any] = {}

        def update(stage: str, share: float) -> None:
            if stage not in tasks:
                for done in tasks.values():
                    bars.update(done, completed=1.0)
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=min(1.0, share))

        yield update
        for done in tasks.values():
            bars.update(done, completed=1.0)


class _PlainProgress:
    """A line when a stage begins, and now and then while it lasts."""

    def __init__(self) -> None:
        self._stage, self._last = "", 0.0

    def __call__(self, stage: str, share: float) -> None:
        now = time.monotonic()
        if stage != self._stage or now - self._last > PLAIN_SECONDS:
            self._stage, self._last = stage, now
            click.echo(f"{stage}: {share:.0%}", err=True)


def show_answers(answers: Sequence[ScoredTriple], name_of: Callable[[str], str], *, as_json: bool) -> None:
    """Scored triples with names, probability and the line of evidence."""
    if as_json:
        for answer in answers:
            triple = answer.triple
            ends = {"head": triple.head, "relation": triple.relation, "tail": triple.tail}
            values = {"score": answer.score, "probability": answer.probability, "rank": answer.rank}
            print_json({**ends, **values, "evidence": answer.evidence.summary, "shares": answer.evidence.shares})
        return
    rows = [
        (
            a.rank,
            name_of(a.triple.head),
            a.triple.relation,
            name_of(a.triple.tail),
            f"{a.probability:.3f}",
            a.evidence.summary,
        )
        for a in answers
    ]
    table("", ("rank", "head", "relation", "tail", "probability", "evidence"), rows, numbers=(0, 4))
    if not rows:
        click.echo("No answer that the graph does not hold already.")


def show_publication(report: PublicationReport, *, as_json: bool) -> None:
    """What a publication did."""
    if as_json:
        print_json(asdict(report))
        return
    verb = "would be " if report.dry_run else ""
    click.echo(
        f"Run {report.run}: {report.created} edges {verb}created, {report.updated} updated, {report.removed} removed, "
        f"{report.unchanged} unchanged, in {report.seconds:.1f} s."
    )
    for reason, count in report.skipped.items():
        click.echo(f"  {count} skipped: {reason}.")
    for edge in report.refused[:MOST_REFUSED_SHOWN]:
        click.echo(f"    {edge.name}: {edge.error}")
    if report.refused:
        click.echo(
            "  What refuses them: SHOW CONSTRAINTS and SHOW INDEXES, or a trigger. Change it, then publish again."
        )


def show_rehearsal(rehearsal: Rehearsal, *, as_json: bool) -> None:
    """What a publication with a version would change, in numbers and in shares of all edges before or after it."""
    counts = {name: getattr(rehearsal, name) for name in ("created", "changed", "removed", "unchanged")}
    if as_json:
        shares = {f"{name}Share": rehearsal.share(number) for name, number in counts.items()}
        print_json({"version": rehearsal.version, **counts, **shares})
        return
    told = ", ".join(f"{n:,} {name} ({rehearsal.share(n):.0%})" for name, n in counts.items())
    click.echo(f"Publishing with {rehearsal.version}: {told}. Nothing was written.")


def show_estimate(estimate: Estimate, *, as_json: bool) -> None:
    """What a sweep would ask."""
    if as_json:
        totals = ("every", "triples", "questions", "settled", "seconds", "share", "memory_bytes")
        types = [{**asdict(one), "triples": one.triples} for one in estimate.types]
        print_json({**{name: getattr(estimate, name) for name in totals}, "types": types})
        return
    columns = ("type", "heads asked", "of them with a tail", "tails", "triples")
    rows = [(one.relation, one.heads, one.answered, one.tails, one.triples) for one in estimate.types]
    table("", columns, rows, numbers=range(1, 5))
    click.echo(
        f"{estimate.questions:,} questions about {estimate.triples:,} of {estimate.every:,} triples; "
        f"{estimate.settled:,} questions are settled and not asked."
    )
    click.echo(
        f"About {estimate.seconds:,.0f} s at {1000 * estimate.seconds_each:.1f} ms each, with up to "
        f"{estimate.memory_bytes / 1e6:,.0f} MB at a time; publishing.minutes = {estimate.minutes:g} allows for "
        f"{estimate.share:.0%} of them, the most promising first."
    )


def show_report(report: Report, title: str, *, as_json: bool) -> None:
    """The evaluation table with the baselines below us, calibration, and warnings."""
    if as_json:
        print_json(report.to_json())
        return
    rows: list[tuple[Any, ...]] = [("relpred", *_figures(report.entities), *_figures(report.relations))]
    rows += [(name, *_figures(s.entities), *_figures(s.relations)) for name, s in report.baselines.items()]
    columns = ("", "entity MRR", "H@1", "H@10", "relation MRR", "H@1", "H@10")
    table(title, columns, rows, numbers=range(1, 7))
    members = [(part.name, _plain(part.weight), _plain(part.new_weight), part.why) for part in report.parts]
    if members:
        table("Who proposes candidates", ("member", "weight", "for new nodes", "here"), members, numbers=(1, 2))
    low, high = report.entities.interval
    click.echo(
        f"{report.triples} test triples, filtered, all candidates, both sides, realistic ties. "
        f"Entity MRR 95 % interval {low:.3f} to {high:.3f}."
    )
    calibration = report.calibration
    click.echo(
        f"Calibration (ECE of first answers): entities {_error(calibration.entities)}, relations "
        f"{_error(calibration.relations)}. Base rate over all kinds of questions {report.base_rate:.3f}."
    )
    if report.seconds:
        click.echo(f"Trained in {report.seconds:.0f} s on {report.device}, {report.threads} thread(s).")
    for warning in report.warnings:
        click.secho(f"Warning: {warning}", fg="yellow", err=True)


def show_live(live: Sequence[LivePrecision]) -> None:
    """How often people accepted what was published, with the interval that the number of decisions leaves."""
    rows = [
        (
            one.relation or "all types",
            f"{one.threshold:g}",
            one.decided,
            f"{one.precision:.2f}",
            f"{one.low:.2f} to {one.high:.2f}",
        )
        for one in live
    ]
    columns = ("type", "probability from", "decided", "accepted", "95 % interval")
    table("What people decided", columns, rows, numbers=(1, 2, 3))


def gate_words(measure: Mapping[str, Any]) -> tuple[str, ...]:
    """One measure of the gate: both versions, their difference with its interval, and what is tolerated."""
    return (
        measure["name"],
        f"{measure['candidate']:.3f}",
        f"{measure['live']:.3f}",
        f"{measure['difference']:+.3f}",
        f"{measure['low']:+.3f} to {measure['high']:+.3f}",
        f"{measure['tolerance']:g}",
    )


def drift_words(drift: Drift) -> list[tuple[str, ...]]:
    """Name, verdict, index, what chance gives, and what moved most, of each distribution."""
    return [(one.name, one.verdict, f"{one.index:.3f}", f"{one.chance:.3f}", one.sentence) for one in drift.rows]


def show_gate(gate: Mapping[str, Any]) -> None:
    """What came of the comparison with the version that was live when this one was trained."""
    rows = [gate_words(one) for one in gate["measures"]]
    columns = ("", "this one", gate["against"], "better by", "95 % interval", "tolerance")
    if rows:
        table(f"Beside {gate['against']}, which was live", columns, rows, numbers=range(1, 6))
    click.echo(f"Gate: {'passed' if gate['passed'] else 'refused'} ({gate['code']}). {gate['reason']}")
    for caveat in gate["caveats"]:
        click.echo(f"  {caveat}")


def show_drift(drift: Drift) -> None:
    """A line for each distribution, with what moved most in it."""
    rows = drift_words(drift)
    columns = ("", "verdict", "index", "by chance", "most")
    table(f"Since {drift.version} was trained, {drift.trained_at}", columns, rows, numbers=(2, 3))
    for note in drift.notes:
        click.echo(note)


def show_slices(report: Report) -> None:
    """Entity ranks by kind of question."""
    rows = [
        (kind.replace("_", " "), name, summary.queries, *_figures(summary))
        for kind, named in report.slices.items()
        for name, summary in named.items()
    ]
    if rows:
        table("Entity queries by kind", ("", "", "queries", "MRR", "H@1", "H@10"), rows, numbers=range(2, 6))


def show_versions(versions: Sequence[ModelVersion]) -> None:
    """The main figures of the latest versions as bars, each by the test edges of its own training."""
    kept = versions[-MOST_VERSIONS:]
    if len(kept) == 1:
        return
    reports = [one.about["report"] for one in kept]
    mrr = [report["entities"]["mrr"] for report in reports]
    hits = [report["relations"]["hits"]["1"] for report in reports]
    ece = [max(report["calibration"][kind]["ece"] for kind in ("entities", "relations")) for report in reports]
    bars = (_bars(figures) for figures in (mrr, hits, ece))
    rows = [(f"{one.label}{' *' if one.live else ''}", *row) for one, *row in zip(kept, *bars, strict=True)]
    table("Versions (* live)", ("", "entity MRR", "relation H@1", "calibration error"), rows)


def _bars(figures: Sequence[float]) -> list[str]:
    """Bars from 0 to the largest figure, and the figures."""
    most = max((figure for figure in figures if math.isfinite(figure)), default=0.0) or 1.0
    eighths = [round(8 * BAR * figure / most) if math.isfinite(figure) else 0 for figure in figures]
    drawn = ["█" * (n // 8) + ("▏▎▍▌▋▊▉"[n % 8 - 1] if n % 8 else "") for n in eighths]
    return [f"{bar:<{BAR}} {figure:.3f}" for bar, figure in zip(drawn, figures, strict=True)]


def _error(calibration: CalibrationReport) -> str:
    return f"{calibration.ece:.3f} ({calibration.chance:.3f} would be chance)"


def _plain(weight: float | None) -> str:
    return "out" if weight is None else f"{weight:.2f}"


def _figures(summary: Any) -> tuple[str, str, str]:
    if summary is None:
        return ("", "", "")
    return (f"{summary.mrr:.3f}", f"{summary.hits_at(1):.3f}", f"{summary.hits_at(10):.3f}")
