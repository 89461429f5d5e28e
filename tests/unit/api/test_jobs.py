"""Jobs in processes of their own. The process is a script here that speaks as the real one does, without torch."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neo4j_relpred.api import jobs as module
from neo4j_relpred.api.jobs import Job, Jobs
from neo4j_relpred.config import Settings
from neo4j_relpred.errors import InvalidQuery, InvalidSettings, JobNotFound, Overloaded

SPEAKS = (
    "import sys, json, time, os; task = json.loads(sys.stdin.readline()); "
    "say = lambda **words: print(json.dumps(words), flush=True); "
)
ECHOES = SPEAKS + "say(stage='fit', share=0.5); say(note='odd'); say(result={'told': task})"
SLEEPS = SPEAKS + "say(stage='fit', share=0.25); time.sleep(60)"
DEAF = SPEAKS + "import signal; signal.signal(15, signal.SIG_IGN); say(stage='fit', share=0.25); time.sleep(60)"
FAILS = SPEAKS + "say(error=['busy', 'Somebody publishes.', 'Wait.'])"
DIES = SPEAKS + "sys.stdout.write('{\"stage\": '); sys.stdout.flush(); os._exit(9)"


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Jobs]]:
    opened: list[Jobs] = []
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)

    def start(script: str) -> Jobs:
        monkeypatch.setattr(module, "COMMAND", ["-S", "-c", script])
        opened.append(Jobs(Settings(home=Path("here"), graph={"password": "secret"})))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def eventually(jobs: Jobs, job_id: str, holds: Callable[[Job], bool]) -> Job:
    until = time.monotonic() + 20
    while not holds(job := jobs.get(job_id)):
        assert time.monotonic() < until, job
        time.sleep(0.01)
    return job


def test_a_job_is_told_what_to_do_and_tells_what_came_of_it(board: Callable[[str], Jobs]) -> None:
    jobs = board(ECHOES)
    submitted = jobs.submit("train", {"fresh": True}, {"training": {"minutes": 0.5}})
    job = eventually(jobs, submitted.id, lambda job: job.ended)
    assert (job.state, job.stage, job.share, job.notes, job.error) == ("done", "fit", 1.0, ("odd",), None)
    task = job.result["told"]
    assert (task["kind"], task["options"]) == ("train", {"fresh": True})
    assert task["settings"]["training"]["minutes"] == 0.5
    assert task["settings"]["graph"]["password"] == "secret"
    assert job.options == {"fresh": True, "training.minutes": 0.5}
    assert job.started_at is not None
    assert job.ended_at is not None
    assert job.submitted_at <= job.started_at <= job.ended_at


def test_one_job_runs_at_a_time_in_the_order_of_submission(board: Callable[[str], Jobs]) -> None:
    jobs = board(SLEEPS)
    first, second = jobs.submit("train", {}, {}), jobs.submit("publish", {}, {})
    eventually(jobs, first.id, lambda job: job.share == 0.25)
    assert [(job.id, job.state) for job in jobs.list()] == [(second.id, "waiting"), (first.id, "running")]
    jobs.cancel(first.id)
    eventually(jobs, second.id, lambda job: job.state == "running")


@pytest.mark.parametrize("script", [SLEEPS, DEAF])
def test_a_running_job_is_stopped_soon(board: Callable[[str], Jobs], script: str) -> None:
    jobs = board(script)
    job = jobs.submit("train", {}, {})
    eventually(jobs, job.id, lambda job: job.share == 0.25)
    process = jobs._process
    assert process is not None
    started = time.monotonic()
    assert jobs.cancel(job.id).state == "cancelled"
    process.wait(5)
    assert time.monotonic() - started < 5  # what is promised to who cancels
    assert jobs.cancel(job.id).state == "cancelled"
    assert jobs.get(job.id).ended


def test_a_job_that_waits_is_taken_out_of_the_queue(board: Callable[[str], Jobs]) -> None:
    jobs = board(SLEEPS)
    first, second = jobs.submit("train", {}, {}), jobs.submit("train", {}, {})
    assert jobs.cancel(second.id).state == "cancelled"
    eventually(jobs, first.id, lambda job: job.state == "running")
    assert jobs.get(second.id).started_at is None


def test_a_failure_is_told_as_it_was(board: Callable[[str], Jobs]) -> None:
    jobs = board(FAILS)
    job = jobs.submit("publish", {}, {})
    assert eventually(jobs, job.id, lambda job: job.ended).error == ("busy", "Somebody publishes.", "Wait.")


def test_a_process_that_dies_in_the_midst_of_a_word_has_failed(board: Callable[[str], Jobs]) -> None:
    jobs = board(DIES)
    job = jobs.submit("train", {}, {})
    ended = eventually(jobs, job.id, lambda job: job.ended)
    assert ended.state == "failed"
    assert ended.error is not None
    assert "ended with code 9" in ended.error[1]


def test_the_same_id_is_the_same_job(board: Callable[[str], Jobs]) -> None:
    jobs = board(ECHOES)
    job = jobs.submit("train", {"fresh": True}, {}, "nightly")
    done = eventually(jobs, "nightly", lambda job: job.ended)
    assert jobs.submit("train", {"fresh": True}, {}, "nightly") == done
    with pytest.raises(InvalidQuery, match="submitted as another one"):
        jobs.submit("train", {"fresh": False}, {}, "nightly")
    assert [one.id for one in jobs.list()] == [job.id]


def test_a_job_is_stopped_when_the_last_who_submitted_it_withdraws(board: Callable[[str], Jobs]) -> None:
    jobs = board(SLEEPS)
    for _ in range(2):
        jobs.submit("train", {}, {}, "shared")
    eventually(jobs, "shared", lambda job: job.share == 0.25)
    assert jobs.withdraw("shared").state == "running"
    assert jobs.withdraw("shared").state == "cancelled"
    assert jobs.withdraw("shared").state == "cancelled"
    assert jobs.submit("train", {}, {}, "shared").state == "cancelled"
    with pytest.raises(JobNotFound):
        jobs.withdraw("other")


def test_a_setting_that_cannot_be_used_is_refused_before_anything_waits(board: Callable[[str], Jobs]) -> None:
    jobs = board(ECHOES)
    with pytest.raises(InvalidSettings, match=r"training\.minutes"):
        jobs.submit("train", {}, {"training": {"minutes": -1}})
    assert jobs.list() == []


def test_a_queue_has_an_end(board: Callable[[str], Jobs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    jobs = board(SLEEPS)
    eventually(jobs, jobs.submit("train", {}, {}).id, lambda job: job.state == "running")
    jobs.submit("train", {}, {})
    with pytest.raises(Overloaded):
        jobs.submit("train", {}, {})


def test_the_oldest_that_have_ended_are_forgotten(
    board: Callable[[str], Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    jobs = board(ECHOES)
    for name in ("a", "b", "c"):
        jobs.submit("train", {}, {}, name)
        eventually(jobs, name, lambda job: job.ended)
    assert [job.id for job in jobs.list()] == ["c", "b"]
    with pytest.raises(JobNotFound, match="no job 'a'"):
        jobs.get("a")


def test_closing_stops_what_runs_and_leaves_no_process(board: Callable[[str], Jobs]) -> None:
    jobs = board(SLEEPS)
    job, waiting = jobs.submit("train", {}, {}), jobs.submit("train", {}, {})
    eventually(jobs, job.id, lambda job: job.share == 0.25)
    process = jobs._process
    assert process is not None
    jobs.close()
    assert process.poll() is not None
    assert {jobs.get(one.id).state for one in (job, waiting)} == {"cancelled"}
    assert "relpred-jobs" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
