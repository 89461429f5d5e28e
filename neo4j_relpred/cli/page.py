"""One version of a model as a page that needs nothing else: no script, no font, no image from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from neo4j_relpred.cli.charts import Interval, Series, intervals, lines
from neo4j_relpred.cli.show import drift_words, gate_words

if TYPE_CHECKING:
    from neo4j_relpred.api.versions import Drift
    from neo4j_relpred.evaluation.calibration import CalibrationReport
    from neo4j_relpred.evaluation.ranking import RankSummary
    from neo4j_relpred.evaluation.report import Report
    from neo4j_relpred.model.registry import ModelVersion

__all__ = ["Shown", "page"]

MOST_VERSIONS = 40
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'"  # a name out of a graph that got past the escaping does nothing
)
STYLE = """
:root{color-scheme:light dark;--first:#0072b2;--second:#d55e00;--third:#009e73}
@media(prefers-color-scheme:dark){:root{--first:#56b4e9;--second:#e69f00;--third:#44c49a}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid #8886;font-size:1.2rem}
section>div{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{font-weight:600}
svg{max-width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:currentColor}
line,polyline{fill:none;stroke-width:1}polyline{stroke-width:2}line.spread{stroke-width:3;opacity:.45}
line.grid{stroke:#8883}line.axis{stroke:currentColor}line.even{stroke:#888;stroke-dasharray:4 3}
.first{stroke:var(--first)}.second{stroke:var(--second)}.third{stroke:var(--third)}
circle.first{fill:var(--first)}circle.second{fill:var(--second)}circle.third{fill:var(--third)}
figure ul{list-style:none;display:flex;gap:1rem;margin:0;padding:0 0 0 46px;font-size:.85rem}
li.first{color:var(--first)}li.second{color:var(--second)}li.third{color:var(--third)}
table{border-collapse:collapse;margin:.5rem 0}th,td{padding:.15rem .8rem;text-align:right;border-bottom:1px solid #8883}
th:first-child,td:first-child,td.words{text-align:left}th{font-weight:600}meter{width:10rem}
.note{color:#b35900}@media(prefers-color-scheme:dark){.note{color:#ffb454}}
"""


@dataclass(frozen=True)
class Shown:
    """What the page is about. versions: all there are, oldest first; curves: as Versions.curves gives them."""

    version: ModelVersion
    report: Report
    versions: Sequence[ModelVersion]
    curves: Mapping[str, Sequence[Sequence[float]]]
    drift: Drift | None


def page(shown: Shown) -> str:
    """The page."""
    version, report = shown.version, shown.report
    about = version.about
    title = escape(f"Model {version.label}{' (live)' if version.live else ''}")
    facts = (
        f"Trained {about['trainedAt']}, {report.seconds:.0f} s on {report.device}, {report.threads} thread(s), seed "
        f"{about['seed']}; {report.triples:,} test triples, filtered, all candidates, both sides, realistic ties."
    )
    sections = (
        ("Beside the version that was live", _gate(about.get("gate"))),
        ("Versions", _versions(shown.versions)),
        ("Ranks", _ranks(report)),
        ("Reliability", _reliability(report)),
        ("Losses of the training", _losses(shown.curves)),
        ("Relationship types", _relations(report)),
        ("What moved since", _drift(shown.drift)),
    )
    body = "".join(f"<section><h2>{name}</h2>{inside}</section>" for name, inside in sections if inside)
    warnings = "".join(f'<p class="note">{escape(warning)}</p>' for warning in report.warnings)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><h1>{title}</h1><p>{escape(facts)}</p>{warnings}{body}</body></html>\n"
    )


def _gate(gate: Mapping[str, Any] | None) -> str:
    if gate is None:
        return ""
    said = f"{'Passed' if gate['passed'] else 'Refused'} ({gate['code']}). {gate['reason']}"
    caveats = "".join(f"<p>{escape(caveat)}</p>" for caveat in gate["caveats"])
    every = [*gate["measures"], *gate["relations"][:5]]
    rows = [
        Interval(one["name"], *(one[key] for key in ("difference", "low", "high", "tolerance")))
        for one in gate["measures"]
    ]
    columns = ("", "this one", gate["against"], "better by", "95 % interval", "tolerance", "questions")
    cells = [(*gate_words(one), f"{one['count']:,}") for one in every]
    chart = intervals("Difference with its interval; dashed: the tolerance", rows)
    table = _table(columns, cells) if cells else ""
    return f'<p class="{"" if gate["passed"] else "note"}">{escape(said)}</p>{chart}{table}{caveats}'


def _versions(versions: Sequence[ModelVersion]) -> str:
    kept = versions[-MOST_VERSIONS:]
    if len(kept) < 2:
        return ""
    names = [str(one.version) for one in kept]
    reports = [one.about["report"] for one in kept]
    mrr = [report["entities"]["mrr"] for report in reports]
    spread = [tuple(report["entities"]["interval"]) for report in reports]
    hits = [report["relations"]["hits"]["1"] for report in reports]
    errors = [
        Series(kind, [(at, report["calibration"][kind]["ece"]) for at, report in enumerate(reports)])
        for kind in ("entities", "relations")
    ]
    charts = (
        lines("Entity MRR, 95 % interval", [Series("MRR", list(enumerate(mrr)), spread)], "version", names),
        lines("Relation Hits@1", [Series("Hits@1", list(enumerate(hits)))], "version", names),
        lines("Calibration error of first answers", errors, "version", names),
    )
    return f"<div>{''.join(charts)}</div><p>Each by the test edges of its own training.</p>"


def _ranks(report: Report) -> str:
    columns = ("", "entity MRR", "H@1", "H@10", "relation MRR", "H@1", "H@10")
    cells = [("relpred", *_figures(report.entities), *_figures(report.relations))]
    cells += [(name, *_figures(one.entities), *_figures(one.relations)) for name, one in report.baselines.items()]
    slices = [
        (kind.replace("_", " "), name, f"{one.queries:,}", *_figures(one))
        for kind, named in report.slices.items()
        for name, one in named.items()
    ]
    more = _table(("entity queries", "", "queries", "MRR", "H@1", "H@10"), slices) if slices else ""
    return _table(columns, cells) + more


def _figures(summary: RankSummary | None) -> tuple[str, ...]:
    """MRR, Hits@1 and Hits@10; nothing of a baseline that answers no such queries."""
    if summary is None:
        return ("", "", "")
    return (f"{summary.mrr:.3f}", f"{summary.hits_at(1):.3f}", f"{summary.hits_at(10):.3f}")


def _reliability(report: Report) -> str:
    measured = {"entities": report.calibration.entities, "relations": report.calibration.relations}
    return "<div>" + "".join(_diagram(kind, one) for kind, one in measured.items()) + "</div>"


def _diagram(kind: str, measured: CalibrationReport) -> str:
    title = f"First answers, {kind}: error {measured.ece:.3f} ({measured.chance:.3f} by chance)"
    points = [(mean, share) for mean, share, _ in measured.diagram]
    return lines(title, [Series("share that holds", points)], "probability", limits=(0.0, 1.0), diagonal=True)


def _losses(curves: Mapping[str, Sequence[Sequence[float]]]) -> str:
    charts = (
        lines(stage, [Series("loss", [(seconds, loss) for _, seconds, loss in points])], "seconds of the training")
        for stage, points in curves.items()
    )
    return f"<div>{''.join(charts)}</div>" if curves else ""


def _relations(report: Report) -> str:
    rows = sorted(report.per_relation.items(), key=lambda pair: -pair[1])
    cells = "".join(
        f'<tr><td>{escape(name)}</td><td>{mrr:.3f}</td><td><meter value="{mrr:.3f}">{mrr:.3f}</meter></td></tr>'
        for name, mrr in rows
    )
    return f"<table><thead><tr><th>type</th><th>entity MRR</th><th></th></tr></thead><tbody>{cells}</tbody></table>"


def _drift(drift: Drift | None) -> str:
    if drift is None:
        return ""
    cells = drift_words(drift)
    table = _table(("", "verdict", "stability index", "by chance", "most"), cells) if cells else ""
    return table + "".join(f"<p>{escape(note)}</p>" for note in drift.notes)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
