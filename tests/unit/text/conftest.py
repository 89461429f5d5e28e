"""One tiny model of each kind for all tests of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.text.models import tiny_bert, tiny_causal


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal(tmp_path_factory.mktemp("llama"))
