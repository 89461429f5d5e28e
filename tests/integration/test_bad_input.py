"""Whatever is wrong with what it is given, a command says so, says what to do, and leaves nothing half done."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import neo4j
import pytest
from filelock import FileLock

from neo4j_relpred.demo.server import EmbeddedNeo4j
from tests.integration.graphs import (
    Outcome,
    Town,
    ask,
    empty,
    load,
    predicted,
    town,
    trained_town,
    write_settings,
    written,
)

pytestmark = pytest.mark.usefixtures("on_line_5")
CACHE = Path(__file__).parents[2] / ".build"
PASSWORD = "correct-horse"
WEIGHTS, DESCRIPTION, MANIFEST = "weights.safetensors", "model.json", "manifest.json"


@pytest.fixture
def place(server: EmbeddedNeo4j, driver: neo4j.Driver, tmp_path: Path) -> Town:
    return trained_town(driver, server.bolt_uri, tmp_path / "town")


@pytest.fixture
def untrained(server: EmbeddedNeo4j, driver: neo4j.Driver, tmp_path: Path) -> Callable[..., Town]:
    """Makes a place with settings over an empty graph; keywords replace lines of the settings."""

    def make(**more: str) -> Town:
        return Town(driver, write_settings(tmp_path / "town", server.bolt_uri, more=more))

    empty(driver)
    return make


def change(place: Town, old: str, new: str) -> None:
    text = place.config.read_text()
    assert old in text
    place.config.write_text(text.replace(old, new))


def briefly(place: Town) -> Town:
    """How well a training learns is no matter here."""
    change(place, "max_epochs = 30", "max_epochs = 3")
    return place


def refused(place: Town, words: str, code: int, *parts: str) -> Outcome:
    """Runs a command that must end with this code, an explanation, and nothing changed."""
    before = written(place.driver, place.config.with_name("relpred"))
    outcome = place.cli(*words.split())
    assert (outcome.code, outcome.out) == (code, ""), outcome
    for part in ("Error", "Hint: ", *parts):
        assert part in outcome.err
    assert "Traceback" not in outcome.err
    assert written(place.driver, place.config.with_name("relpred")) == before
    return outcome


WRONG_SETTINGS = [
    ('texts = ["description"]', 'texts = ["descriptoin"]', 2, ["descriptoin", "Did you mean description?"]),
    ('texts = ["description"]', 'labels = ["Persn"]', 2, ["Persn", "Did you mean Person?"]),
    ('texts = ["description"]', 'relations = ["LIVE_IN"]', 2, ["LIVE_IN", "Did you mean LIVES_IN?"]),
    ("{ Thing = ", "{ Thng = ", 2, ["Thng", "Did you mean Thing?"]),
    ('"uid"', '"uids"', 2, ["uids", "Did you mean uid?"]),
    ("hidden = 32", "hiden = 32", 2, ["model.hiden", "Did you mean hidden?"]),
    ("[model]", "[modell]", 2, ["modell", "Did you mean model"]),
    ("hidden = 32", "hidden = ", 2, ["TOML"]),
    ("hidden = 32", "hidden = 33", 2, ["model.hidden"]),
    ("timeout_seconds = 20", 'database = "neo4k"', 7, ["neo4k", "Did you mean neo4j?"]),
    ("[text]", '[text]\nencoder = "no/such-encoder"', 6, ["no/such-encoder", "text.encoder"]),
    ("[text]", '[text]\nencoder = "/no/such/folder"', 6, ["/no/such/folder"]),
]


def test_a_setting_that_does_not_fit_is_named_with_what_was_meant(place: Town) -> None:
    right = place.config.read_text()
    for old, new, code, parts in WRONG_SETTINGS:
        change(place, old, new)
        refused(place, "train", code, *parts)
        place.config.write_text(right)


def test_a_settings_file_that_is_not_there_is_named(place: Town) -> None:
    missing = Town(place.driver, place.config.with_name("other.toml"))
    refused(missing, "train", 2, "other.toml", "relpred init")


def test_a_server_that_cannot_be_reached_is_named(place: Town) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = place.settings.graph.uri
    change(place, uri, f"bolt://127.0.0.1:{port}")
    for words in ("train", "publish", "daemon --once"):
        refused(place, words, 7, str(port), "graph.uri")
    doctor = place.cli("doctor")
    assert doctor.code == 1
    assert str(port) in doctor.out


@pytest.fixture(scope="module")
def bare(neo4j_line: object) -> Iterator[EmbeddedNeo4j]:
    """A server that asks for a password and has no plugin."""
    from neo4j_relpred.demo.server import Line

    assert isinstance(neo4j_line, Line)
    with EmbeddedNeo4j(neo4j_line, cache=CACHE, password=PASSWORD) as started:
        yield started


def test_without_the_jar_everything_but_the_calls_works_and_a_wrong_password_is_refused(
    bare: EmbeddedNeo4j, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELPRED_GRAPH__PASSWORD", PASSWORD)
    with neo4j.GraphDatabase.driver(bare.bolt_uri, auth=bare.auth, notifications_min_severity="OFF") as driver:
        place = trained_town(driver, bare.bolt_uri, tmp_path / "bare")
        doctor = {check["check"]: check for check in place.cli("doctor", "--json").json}
        assert doctor["procedures"]["state"] == "warning"
        assert "everything else works without it" in doctor["procedures"]["hint"]
        for words in ("snapshot", "predict tails person0 HAS_SKILL", "publish", "daemon --once"):
            outcome = place.cli(*words.split())
            assert outcome.code == 0, outcome
        run = place.cli("run", "list", "--json").json[-1]
        assert run["created"] == len(predicted(driver)) > 0
        assert place.cli("undo", run["id"]).code == 0
        assert predicted(driver) == {}
        monkeypatch.setenv("RELPRED_GRAPH__PASSWORD", "wrong-horse")
        outcome = refused(place, "train", 7, "RELPRED_GRAPH__PASSWORD")
        assert "wrong-horse" not in outcome.err
        monkeypatch.delenv("RELPRED_GRAPH__PASSWORD")
        refused(place, "publish", 7, "RELPRED_GRAPH__PASSWORD")


def test_an_empty_graph_is_called_empty(untrained: Callable[..., Town]) -> None:
    refused(untrained(), "train", 4, "has no node", "graph.database")


def test_nodes_without_relationships_are_not_enough(untrained: Callable[..., Town]) -> None:
    place = untrained(**{'texts = ["description"]': ""})
    ask(place.driver, "UNWIND range(1, 30) AS i CREATE (:Thing {uid: toString(i)})")
    refused(place, "train", 4, "has no relationship")


def test_too_few_relationships_are_not_enough(untrained: Callable[..., Town]) -> None:
    place = untrained(**{'texts = ["description"]': ""})
    for count in (1, 4, 14):  # one, 5, 19 in all
        ask(
            place.driver,
            "UNWIND range(1, $n) AS i CREATE (:Thing {uid: randomUUID()})-[:NEXT]->(:Thing {uid: randomUUID()})",
            n=count,
        )
        refused(place, "train", 4, "too few")


def test_one_relationship_type_is_enough_with_a_warning(untrained: Callable[..., Town]) -> None:
    place = briefly(untrained())
    nodes, edges = town()
    load(place.driver, nodes, [edge for edge in edges if edge["type"] == "HAS_SKILL"])
    train = place.cli("train")
    assert train.code == 0, train.err
    assert "Warning: There is one relationship type" in train.err
    assert place.cli("publish").code == 0
    assert {row[1] for row in predicted(place.driver).values()} == {"PREDICTED_HAS_SKILL"}
    assert place.cli("predict", "tails", "person0", "HAS_SKILL").code == 0


def test_a_graph_without_any_text_is_enough_with_a_warning(untrained: Callable[..., Town]) -> None:
    """No label either: a label is read as text. Nodes then go by their element ids."""
    place = untrained(**{"keys = { Thing": "# keys = { Thing", 'texts = ["description"]': ""})
    load(place.driver, *town())
    ask(place.driver, "DROP CONSTRAINT thing_uid")
    ask(place.driver, "MATCH (n) SET n = {nr: n.uid} REMOVE n:Thing:Person:City:Country:Company:Skill")
    train = place.cli("train")
    assert train.code == 0, train.err
    assert "Warning: No node has a text" in train.err
    publish = place.cli("publish", "--json")
    assert publish.code == 0, publish.err
    assert publish.json["created"] > 0


def test_without_an_encoder_training_works_with_a_warning(place: Town) -> None:
    change(place, "[text]", '[text]\nencoder = ""')
    refused(place, "publish", 2, "another text encoder")
    train = briefly(place).cli("train")
    assert train.code == 0, train.err
    assert "Warning: No node has a text" in train.err
    assert place.cli("publish").code == 0
    assert "encoder" in place.cli("doctor").out


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_a_checkpoint_with_a_flipped_byte_is_never_used(place: Town) -> None:
    folder = place.home / "models" / "default" / "1"
    for file in (WEIGHTS, DESCRIPTION, MANIFEST):
        flip(folder / file)
        for words in ("publish", "predict tails person0 LIVES_IN", "daemon --once"):
            refused(place, words, 5, "relpred train", "relpred model promote")
        flip(folder / file)
    assert place.cli("publish", "--dry-run").code == 0


def test_a_checkpoint_whose_weights_are_damaged_is_replaced_by_training_again(place: Town) -> None:
    flip(place.home / "models" / "default" / "1" / WEIGHTS)
    train = briefly(place).cli("train")
    assert train.code == 0, train.err
    assert place.cli("publish").code == 0


@pytest.mark.parametrize("file", [DESCRIPTION, MANIFEST])
def test_a_version_whose_description_is_damaged_stops_nobody(place: Town, file: str) -> None:
    flip(place.home / "models" / "default" / "1" / file)
    assert place.cli("doctor").code in (0, 1)
    assert briefly(place).cli("train").code == 0


def test_a_damaged_snapshot_is_named_and_read_again(place: Town) -> None:
    path = place.home / "snapshots" / "000001" / "edges.parquet"
    path.write_bytes(path.read_bytes()[:-7])
    refused(place, "publish", 5, "relpred snapshot")
    assert place.cli("snapshot").code == 0
    assert place.cli("publish").code == 0


def test_a_damaged_snapshot_does_not_stop_the_daemon_from_reading_a_new_one(place: Town) -> None:
    path = place.home / "snapshots" / "000001" / "edges.parquet"
    path.write_bytes(path.read_bytes()[:-7])
    outcome = place.cli("daemon", "--once")
    assert outcome.code == 0, outcome.err


def test_before_the_first_training_there_is_no_model_to_ask(place: Town) -> None:
    shutil.rmtree(place.home)
    for words in ("publish", "predict tails person0 LIVES_IN", "evaluate", "model show"):
        refused(place, words, 3, "relpred train")


def test_an_unknown_node_type_or_run_is_named_with_the_nearest_one(place: Town) -> None:
    refused(place, "predict tails persn0 LIVES_IN", 3, "Did you mean person0")
    refused(place, "predict heads LIVES_IN citty1", 3, "Did you mean city1")
    refused(place, "predict relations person0 frm0", 3, "Did you mean firm0")
    refused(place, "predict tails person0 LIVE_IN", 3, "Did you mean LIVES_IN")
    refused(place, "predict triples person0 LIVE_IN city0", 3, "Did you mean LIVES_IN")
    refused(place, "undo 20260101-000000-abcdef", 3, "20260101-000000-abcdef")
    refused(place, "run show 20260101-000000-abcdef", 3, "20260101-000000-abcdef")
    refused(place, "model show 9", 3, "Known versions: 1")


def test_a_type_to_publish_that_the_model_does_not_know_is_named_with_the_nearest_one(place: Town) -> None:
    change(place, "[publishing]", '[publishing]\nrelations = ["LIVE_IN"]')
    refused(place, "publish", 3, "Did you mean LIVES_IN")


def test_a_publication_that_a_guard_stops_leaves_nothing_behind(place: Town) -> None:
    assert place.cli("publish").code == 0
    refused(place, "publish --min-probability 0.999", 8, "publishing.shrink_guard")
    assert place.cli("publish", "--min-probability", "0.999", "--confirm-shrink").code == 0


def test_words_that_are_nearly_commands_are_told_the_command(place: Town) -> None:
    outcome = place.cli("pubish")
    assert outcome.code == 2
    assert "Did you mean publish?" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_second_training_waits_its_turn_and_then_gives_up(place: Town) -> None:
    change(place, "timeout_seconds = 20", "timeout_seconds = 1")
    place.home.mkdir(exist_ok=True)
    with FileLock(place.home / "publishing.lock"):
        refused(place, "publish", 9, "Another process is publishing")
    with FileLock(place.home / "training.lock"):
        refused(place, "train", 9, "Another process is training")
        assert place.cli("publish").code == 0  # goes on beside it


def test_a_file_of_triples_that_is_none_is_named(place: Town, tmp_path: Path) -> None:
    refused(place, f"evaluate --triples {tmp_path}/none.tsv", 2, "none.tsv")
    (tmp_path / "two.tsv").write_text("head\ttail\nperson0\tcity0\n")
    refused(place, f"evaluate --triples {tmp_path}/two.tsv", 2, "two.tsv")
    (tmp_path / "known.tsv").write_text("head\trelation\ttail\nnobody\tLIVES_IN\tnowhere\n")
    refused(place, f"evaluate --triples {tmp_path}/known.tsv", 4, "known.tsv")


@pytest.mark.parametrize("name", ["bytes.tsv", "text.tsv.gz"])
def test_a_file_of_triples_that_is_no_text_is_named(place: Town, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"head\trelation\ttail\n\xff\xfe\tLIVES_IN\tx\n")
    refused(place, f"evaluate --triples {tmp_path}/{name}", 2, name)


def test_two_nodes_of_one_key_are_named(untrained: Callable[..., Town]) -> None:
    place = untrained()
    load(place.driver, *town())
    ask(place.driver, "DROP CONSTRAINT thing_uid")
    ask(place.driver, "CREATE (:Thing {uid: 'person0', description: 'x'})")
    refused(place, "train", 2, "person0", "unique")
