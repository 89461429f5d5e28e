"""Every command on a real server, from its words to its exit code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import neo4j
import pytest
from click.testing import CliRunner

from neo4j_relpred.cli import cli
from neo4j_relpred.demo.server import EmbeddedNeo4j, find_jar, free_port
from tests.integration.graphs import (
    TYPES,
    Town,
    ask,
    child_command,
    child_environment,
    load,
    load_films,
    predicted,
    relpred,
    town,
    trained_town,
)

pytestmark = pytest.mark.usefixtures("on_line_2026")


@pytest.fixture
def place(server: EmbeddedNeo4j, driver: neo4j.Driver, tmp_path: Path) -> Town:
    return trained_town(driver, server.bolt_uri, tmp_path / "town", free_port())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder of its own, with little time for everything that takes some by default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELPRED_EVALUATION__BASELINE_MINUTES", "0.02")
    monkeypatch.setenv("RELPRED_TRAINING__MAX_EPOCHS", "30")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("graph", ["town", "films"])
def test_what_init_writes_trains_and_publishes_as_it_is(
    server: EmbeddedNeo4j, clean_graph: neo4j.Driver, graph: str, tmp_path: Path
) -> None:
    if graph == "town":
        load(clean_graph, *town())
    else:
        load_films(clean_graph)
    init = relpred("init", "--uri", server.bolt_uri)
    assert (init.code, init.err) == (0, "")
    assert "relpred train" in init.out
    assert (tmp_path / "relpred.toml").is_file()
    train = relpred("train", "--minutes", "0.2", "--json")
    assert train.code == 0, train.err
    assert train.json["entities"]["mrr"] > 0.1
    dry = relpred("publish", "--dry-run", "--min-probability", "0.01", "--json")
    assert dry.code == 0, dry.err
    assert dry.json["created"] > 0
    assert ask(clean_graph, "MATCH ()-[e]->() WHERE type(e) STARTS WITH 'PREDICTED_' RETURN e") == []
    again = relpred("init", "--uri", server.bolt_uri)
    assert again.code == 2
    assert "--force" in again.err


def test_every_look_at_the_graph_and_the_model_reads_well(place: Town) -> None:
    doctor = place.cli("doctor", "--json")
    assert doctor.code == 0
    states = {check["check"]: check["state"] for check in doctor.json}
    assert states == {
        "graph": "ok",
        "settings": "ok",
        "encoder": "ok",
        "model": "ok",
        "runs": "ok",
        "procedures": "ok" if find_jar() else "warning",
    }
    assert "default@1" in place.cli("doctor").out
    snapshot = place.cli("snapshot", "--json")
    assert snapshot.json["nodes"] == 150
    assert len(snapshot.json["contentHash"]) == 64
    assert f"{snapshot.json['edges']} edges of {len(TYPES)} types" in place.cli("snapshot").out
    evaluate = place.cli("evaluate", "--json")
    assert {"frequency", "popularity"} <= set(evaluate.json["baselines"])
    assert "relation MRR" in place.cli("evaluate").out
    show = place.cli("model", "show", "1", "--json")
    shown = show.json
    assert shown.pop("gate")["code"] == "no-live-version"
    assert shown == {**evaluate.json, "live": []}
    assert "CITIZEN_OF" in place.cli("model", "show").out


def test_tuning_tries_settings_on_the_latest_snapshot_and_leaves_the_model_alone(place: Town, tmp_path: Path) -> None:
    file = tmp_path / "tuned.toml"
    ask(place.driver, "MATCH (n) SET n.name = 'changed since'")  # the snapshot is older, and the graph is not asked
    tuned = place.cli("tune", "--minutes", "0.2", "--trials", "2", "--output", str(file), "--json")
    assert tuned.code == 0, tuned.err
    assert "2 trials of 3 s each" in tuned.err
    assert [trial["failure"] for trial in tuned.json["trials"]] == [""] * len(tuned.json["trials"])
    assert tuned.json["trials"][0]["values"] == {}
    assert tuned.json["trials"][0]["entityMrr"] > 0.1
    assert tuned.json["snapshot"] == place.predictor().snapshots.read().content_hash
    assert file.exists() == bool(tuned.json["best"]) == bool(tuned.json["file"])
    if file.exists():
        assert Town(place.driver, file).cli("model", "list").code == 0
    assert [version.version for version in place.predictor().models()] == [1]


def test_the_model_is_judged_on_triples_of_a_file(place: Town, tmp_path: Path) -> None:
    rows = ask(
        place.driver,
        "MATCH (p:Person)-[:LIVES_IN]->()-[:LOCATED_IN]->(c) WHERE NOT (p)-[:CITIZEN_OF]->() "
        "RETURN p.uid AS p, c.uid AS c",
    )
    known = ask(place.driver, "MATCH (p:Person)-[:LIVES_IN]->(c) RETURN p.uid AS p, c.uid AS c LIMIT 2")
    lines = [f"{row['p']}\tCITIZEN_OF\t{row['c']}" for row in rows]
    lines += [f"{row['p']}\tLIVES_IN\t{row['c']}" for row in known]
    file = tmp_path / "held-out.tsv"
    file.write_text("\n".join(["head\trelation\ttail", *lines, "nobody\tLIVES_IN\tnowhere"]) + "\n")
    found = place.cli("evaluate", "--triples", str(file), "--json").json
    assert found["triples"] == len(rows)
    assert found["entities"]["mrr"] > 0.4
    warned = place.cli("evaluate", "--triples", str(file)).err
    assert "1 triples name nodes or types that the graph lacks" in warned
    assert "2 triples stand in the graph" in warned


def test_the_four_questions_are_answered(place: Town) -> None:
    questions = {
        "heads": ("HAS_SKILL", "botany", "--top-k", "3"),
        "tails": ("person0", "HAS_SKILL", "--top-k", "3"),
        "relations": ("person0", "firm0", "--top-k", "3"),
        "triples": ("person0", "LIVES_IN", "city0"),
    }
    for kind, words in questions.items():
        asked = place.cli("predict", kind, *words, "--json")
        assert asked.code == 0, asked.err
        rows = [json.loads(line) for line in asked.out.splitlines()]
        assert len(rows) == (1 if kind == "triples" else 3)
        assert set(rows[0]) >= {"head", "relation", "tail", "score", "probability", "rank", "evidence"}
        assert rows[0]["relation"] in place.cli("predict", kind, *words).out
    assert place.cli("predict", "tails", "person0", "LIVES_IN", "--min-probability", "1").out.count("LIVES_IN") == 0


def test_a_node_that_came_after_training_is_answered_for_by_name(place: Town) -> None:
    ask(place.driver, "CREATE (:Thing:Person {uid: 'late', name: 'Late Comer', description: 'A cook'})")
    asked = place.cli("predict", "tails", "late", "HAS_SKILL", "--top-k", "3")
    assert asked.code == 0, asked.err
    assert asked.out.count("HAS_SKILL") == 3


def test_publishing_and_undoing_leave_a_ledger(place: Town) -> None:
    published = place.cli("publish", "--json")
    assert published.code == 0, published.err
    count = published.json["created"]
    assert count == len(predicted(place.driver)) > 0
    run = published.json["run"]
    foreseen = place.cli("undo", run, "--dry-run", "--json")
    assert (foreseen.json["removed"], len(predicted(place.driver))) == (count, count)
    undone = place.cli("undo", run)
    assert undone.code == 0, undone.err
    assert f"{count} removed" in undone.out
    assert predicted(place.driver) == {}
    ledger = place.cli("run", "list", "--json").json
    assert [(one["kind"], one["status"]) for one in ledger] == [("undo", "published"), ("publish", "published")]
    assert run in place.cli("run", "list").out
    assert place.cli("run", "show", run, "--json").json["created"] == count
    assert "published" in place.cli("run", "show", run).out


def test_versions_are_listed_shown_and_promoted(place: Town) -> None:
    train = place.cli("train", "--seed", "4")
    assert train.code == 0, train.err
    assert "default@2" in train.out
    listed = place.cli("model", "list", "--json").json
    assert [(one["version"], one["live"]) for one in listed] == [("default@1", False), ("default@2", True)]
    promoted = place.cli("model", "promote", "1")
    assert (promoted.code, promoted.out) == (0, "Version 1 of default is live.\n")
    assert "live" in place.cli("model", "list").out
    assert "Gate: passed (no-live-version)" in place.cli("model", "show", "1").out
    shown = place.cli("model", "show", "2")
    assert "Beside default@1, which was live" in shown.out
    assert "█" in shown.out
    page = place.home.parent / "model.html"
    assert place.cli("model", "show", "2", "--html", str(page)).out == f"{page} is written.\n"
    text = page.read_text(encoding="utf-8")
    for heading in (
        "Beside the version that was live",
        "Versions",
        "Reliability",
        "Losses of the training",
        "CITIZEN_OF",
    ):
        assert heading in text
    nowhere = place.cli("model", "show", "--html", str(place.home / "no" / "where.html"))
    assert nowhere.code == 1
    assert "cannot be written" in nowhere.err
    assert place.cli("publish", "--dry-run").code == 0
    missing = place.cli("model", "promote", "7")
    assert missing.code == 3
    assert "1, 2" in missing.err


def test_a_canary_says_what_publishing_with_a_version_would_change_and_writes_nothing(place: Town) -> None:
    assert place.cli("publish").code == 0
    before = predicted(place.driver)
    same = place.cli("model", "promote", "1", "--dry-run", "--json")
    assert same.code == 0, same.err
    assert (same.json["unchanged"], same.json["unchangedShare"]) == (len(before), 1.0)
    # the same training under another number: every edge would carry another label, and say the same
    assert place.cli("train").code == 0
    assert place.cli("model", "promote", "1").code == 0
    other = place.cli("model", "promote", "2", "--dry-run", "--json").json
    assert other["version"] == "default@2"
    ask(place.driver, "MATCH ()-[e:PREDICTED_CITIZEN_OF]->() DELETE e")
    gone = len(before) - len(predicted(place.driver))
    lacking = place.cli("model", "promote", "2", "--dry-run", "--json").json
    assert lacking["created"] - other["created"] == gone > 0
    assert "Nothing was written" in place.cli("model", "promote", "1", "--dry-run").out
    assert len(predicted(place.driver)) == len(before) - gone
    assert [one["live"] for one in place.cli("model", "list", "--json").json] == [True, False]


def test_drift_tells_what_moved_since_the_training(place: Town) -> None:
    calm = place.cli("model", "drift", "--json")
    assert calm.code == 0, calm.err
    assert {row["name"]: row["verdict"] for row in calm.json["rows"]} == {
        "text length": "steady",
        "degree": "steady",
        "relationship type": "steady",
        "label": "steady",
    }
    assert calm.json["notes"] == ["default@1 has published no set yet."]
    assert place.cli("publish").code == 0
    ask(
        place.driver,
        "MATCH (n:Person) WHERE n.uid ENDS WITH '1' SET n.name = reduce(s = n.name, i IN range(1, 99) | s + i)",
    )
    ask(place.driver, "MATCH (:Person)-[e:LIVES_IN]->() DELETE e")
    assert place.cli("snapshot").code == 0
    assert place.cli("publish", "--confirm-shrink").code == 0
    moved = {row["name"]: row["verdict"] for row in place.cli("model", "drift", "--json").json["rows"]}
    assert (moved["relationship type"], moved["label"]) == ("moved much", "steady")
    assert "published probability" in moved
    shown = place.cli("model", "drift").out
    assert "LIVES_IN" in shown
    assert "by chance" in shown


def test_off_a_terminal_progress_is_plain_lines(place: Town) -> None:
    err = place.cli("publish").err
    assert "score: " in err
    assert not {"\x1b", "\r", "━"} & set(err)


def test_the_commands_run_in_the_runner_of_click(place: Town) -> None:
    result = CliRunner().invoke(cli, ["--config", str(place.config), "daemon", "--once"])
    assert result.exception is None
    assert result.exit_code == 0
    assert predicted(place.driver)


def test_a_process_of_its_own_ends_with_the_code_of_its_error(server: EmbeddedNeo4j, tmp_path: Path) -> None:
    words = child_command("init", "--uri", server.bolt_uri, "--database", "neo4k")
    done = subprocess.run(
        words, env=child_environment(), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (7, "")
    assert "Did you mean neo4j?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "relpred.toml").exists()


def test_snapshots_are_shown_compared_and_verified(place: Town) -> None:
    assert place.cli("snapshot").code == 0
    first = place.cli("snapshot", "show", "--json").json
    assert first["relations"].keys() == set(TYPES)
    assert first["labels"]["Person"] == 90
    ask(place.driver, "MATCH (n:Thing {uid: 'person0'}) SET n.description = 'A retired nurse'")
    ask(place.driver, "MATCH (:Thing {uid: 'person1'})-[r:LIVES_IN]->() DELETE r")
    second = place.cli("snapshot", "--json").json
    assert second["contentHash"] != first["contentHash"]
    found = place.cli("snapshot", "diff", "--json").json
    assert (found["text"], found["new"], found["gone"]) == (["person0"], [], [])
    assert "person1" in found["neighborhood"]
    assert (found["new_edges"], found["gone_edges"]) == (0, 1)
    assert "person0" in place.cli("snapshot", "diff").out
    assert place.cli("snapshot", "diff", str(second["number"]), str(second["number"])).out == "Nothing changed.\n"
    assert str(second["number"]) in place.cli("snapshot", "show").out
    assert set(place.cli("snapshot", "verify", "--json").json.values()) == {"ok"}
    path = place.home / "snapshots" / f"{second['number']:06d}" / "nodes.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    damaged = place.cli("snapshot", "verify")
    assert (damaged.code, "size or hash" in damaged.out) == (5, True)


def test_the_cache_tells_what_it_holds_and_drops_what_other_encoders_left(place: Town) -> None:
    (row,) = place.cli("cache", "show", "--json").json
    assert row["present"]
    assert row["vectors"] > 100
    assert place.cli("cache", "vacuum", "--json").json == {"removed": 0, "kept": row["vectors"], "freed_bytes": 0}
