"""Settings: where they come from and what is said when one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from neo4j_relpred.config import Settings, load_settings
from neo4j_relpred.config.section import Section
from neo4j_relpred.errors import InvalidSettings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    file = Path("relpred.toml")
    file.write_text(text)
    return file


def sections() -> dict[str, type[Section]]:
    found = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, Section)}


def test_defaults_hold_where_nothing_is_set() -> None:
    settings = load_settings()
    assert settings.graph.uri == "bolt://127.0.0.1:7687"
    assert settings.model.gnn == "compgcn"


def test_flags_win_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("[training]\nminutes = 1\nseed = 1\nthreads = 1\n")
    monkeypatch.setenv("RELPRED_TRAINING__SEED", "2")
    monkeypatch.setenv("RELPRED_TRAINING__THREADS", "2")
    training = load_settings(overrides={"training": {"threads": 3}}).training
    assert (training.minutes, training.seed, training.threads) == (1, 2, 3)


def test_a_file_in_the_working_folder_is_found_and_a_named_one_is_used_instead(tmp_path: Path) -> None:
    write('model_name = "here"')
    other = tmp_path / "other.toml"
    other.write_text('model_name = "other"')
    assert load_settings().model_name == "here"
    assert load_settings(other).model_name == "other"


def test_a_named_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(InvalidSettings, match="relpred init"):
        load_settings(Path("nowhere.toml"))


def test_broken_toml_names_the_file() -> None:
    with pytest.raises(InvalidSettings, match=r"relpred\.toml is not valid TOML"):
        load_settings(write("[graph"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[training]\nminuts = 1", "Did you mean minutes?"),
        ("[trainin]\nminutes = 1", "Did you mean training?"),
        ("gnn = 'gcn'", "Did you mean model.gnn?"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_one(text: str, hint: str) -> None:
    with pytest.raises(InvalidSettings, match="There is no setting") as caught:
        load_settings(write(text))
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "text",
    [
        "[training]\nminutes = 0",
        "[training]\nholdout_share = 0.5",
        "[model]\ngnn = 'other'",
        "[model]\ngnn_layers = 3",
        "[model]\nhidden = 190",
        "model_name = '../x'",
        "[publishing]\nmin_probability = 1.1",
    ],
)
def test_a_value_out_of_bounds_names_the_setting(text: str) -> None:
    with pytest.raises(InvalidSettings, match="cannot be used") as caught:
        load_settings(write(text))
    assert text.split(" =")[0].split("\n")[-1] in caught.value.message


def test_nonsense_in_the_environment_is_an_error_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELPRED_TRAINING__MINUTES", "nonsense")
    with pytest.raises(InvalidSettings, match=r"training\.minutes"):
        load_settings()


def test_a_service_off_loopback_needs_a_token() -> None:
    with pytest.raises(InvalidSettings, match="token_file"):
        load_settings(overrides={"service": {"host": "0.0.0.0"}})
    held = load_settings(overrides={"service": {"host": "0.0.0.0", "token_file": "token"}})
    assert held.service.token_file == Path("token")


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELPRED_GRAPH__PASSWORD", "open-sesame")
    settings = load_settings()
    assert settings.graph.password == SecretStr("open-sesame")
    assert "open-sesame" not in repr(settings) + settings.model_dump_json()


def test_a_wrong_value_beside_a_password_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELPRED_GRAPH__PASSWORD", "open-sesame")
    monkeypatch.setenv("RELPRED_GRAPH__TIMEOUT_SECONDS", "-1")
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert "open-sesame" not in str(caught.value)


@pytest.mark.parametrize("section", sections())
def test_every_setting_is_described(section: str) -> None:
    for name, field in sections()[section].model_fields.items():
        assert field.description, f"{section}.{name}"
        assert field.description.endswith((".", "'.")), f"{section}.{name}"


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.training.minutes = 3  # type: ignore[misc]
