"""Memory is foreseen: what a training takes, what the machine and its control groups leave, and a refusal with both."""

from __future__ import annotations

from pathlib import Path

import pytest

from neo4j_relpred.config import ModelSettings, TrainingSettings
from neo4j_relpred.errors import TooLittleMemory
from neo4j_relpred.training import memory
from neo4j_relpred.training.fit import fit
from neo4j_relpred.training.lesson import Lesson
from neo4j_relpred.training.memory import Size, demand, free_memory, refuse_too_large
from tests.synthetic import BRIEF_TRAINING, TINY_MODEL, World

MODEL, TRAINING = ModelSettings(), TrainingSettings()
LARGE = Size(1_000_000, 10_000_000, 20, 64, 600_000)
GB = 10**9


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def total(size: Size = LARGE, model: ModelSettings = MODEL, training: TrainingSettings = TRAINING) -> float:
    return sum(demand(size, model, training).values())


@pytest.mark.parametrize(
    "less", [{"structure_rank": 64}, {"structure_rank": 0}, {"hidden": 96}, {"candidates": 50}], ids=str
)
def test_what_the_hint_names_takes_less_where_it_is_lowered(less: dict[str, int]) -> None:
    lowered = MODEL.model_copy(update=less)
    few = Size(5_000, 100_000, 20, 0, 50_000)  # so that held-out candidates count
    size = few if "candidates" in less else LARGE
    assert total(size, lowered) < total(size)


def test_memory_grows_with_the_graph_and_no_faster() -> None:
    twice = Size(2_000_000, 20_000_000, 20, 64, 1_200_000)
    assert 1.5 < total(twice) / total(LARGE) <= 2
    assert total(Size(60, 200, 4, 8, 20), TINY_MODEL, BRIEF_TRAINING) < 0.05 * GB


def test_a_machine_that_says_nothing_is_not_judged(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None


def test_the_machine_leaves_what_is_available(tmp_path: Path) -> None:
    write(tmp_path, {"proc/meminfo": "MemTotal: 9000 kB\nMemFree: 100 kB\nMemAvailable: 4000 kB\n"})
    assert free_memory(tmp_path) == 4000 * 1024


def test_a_group_of_version_2_leaves_less_and_its_cache_of_files_is_free(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/meminfo": "MemAvailable: 4000 kB\n",
            "proc/self/cgroup": "0::/pod/box\n",
            "sys/fs/cgroup/pod/box/memory.max": "max\n",
            "sys/fs/cgroup/pod/box/memory.current": "1000\n",
            "sys/fs/cgroup/pod/memory.max": "3000\n",
            "sys/fs/cgroup/pod/memory.current": "1200\n",
            "sys/fs/cgroup/pod/memory.stat": "anon 700\ninactive_file 300\n",
        },
    )
    assert free_memory(tmp_path) == 3000 - 1200 + 300


def test_a_group_of_version_1_is_found_where_a_container_sees_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/not-seen-from-inside\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "5000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "4000\n",
            "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 500\n",
        },
    )
    assert free_memory(tmp_path) == 1500


def test_a_group_beyond_its_limit_leaves_nothing(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "10\n", "sys/fs/cgroup/memory.current": "90\n"}
    write(tmp_path, files)
    assert free_memory(tmp_path) == 0


def test_a_refusal_has_both_numbers_and_says_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * GB)
    with pytest.raises(TooLittleMemory, match=r"1,000,000 nodes and 10,000,000 .* about [\d.]+ GB .*; 2.0 GB are free"):
        refuse_too_large(LARGE, MODEL, TRAINING)
    with pytest.raises(TooLittleMemory) as caught:
        refuse_too_large(LARGE, MODEL, TRAINING)
    for name in ("model.structure_rank (128)", "model.hidden (192)", "graph.labels"):
        assert name in caught.value.hint


@pytest.mark.parametrize("free", [None, 10**12])
def test_what_fits_is_let_through(free: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([free])
    monkeypatch.setattr(memory, "free_memory", lambda: next(looks))
    refuse_too_large(LARGE, MODEL, TRAINING)
    assert next(looks, "looked") == "looked"  # and let it through


def test_a_training_that_does_not_fit_is_refused_before_it_begins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    told: list[str] = []
    lesson = Lesson(world.train, world.split.holdout, world.text)
    with pytest.raises(TooLittleMemory):
        fit(lesson, TINY_MODEL, BRIEF_TRAINING, lambda stage, share: told.append(stage))
    assert told == []
