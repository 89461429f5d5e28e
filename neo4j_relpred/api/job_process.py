"""The process of one job: reads the task, does it, tells how far it is, line by line of JSON.

The task is {"kind", "options", "settings"}. What is said is one of {"stage", "share"}, {"note"}, and at the end
{"result"} or {"error": [code, message, hint]}.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO

from neo4j_relpred.api.predictor import RelationPredictor
from neo4j_relpred.api.workspace import Progress
from neo4j_relpred.config import TrainingSettings, load_settings
from neo4j_relpred.errors import RelpredError, TooLittleMemory
from neo4j_relpred.training.aside import end_with_who_started

__all__ = ["main"]

SECONDS_BETWEEN = 0.1  # two words about progress in one stage


class Voice(logging.Handler):
    """Says what goes on. Warnings of ours are notes; those of libraries may quote anything, and are left out."""

    def __init__(self, output: TextIO) -> None:
        super().__init__(logging.WARNING)
        self._output = output
        self._stage, self._said = "", 0.0

    def say(self, **words: object) -> None:
        self._output.write(json.dumps(words) + "\n")
        self._output.flush()

    def progress(self, stage: str, share: float) -> None:
        now = time.monotonic()
        if stage != self._stage or share >= 1 or now - self._said >= SECONDS_BETWEEN:
            self._stage, self._said = stage, now
            self.say(stage=stage, share=round(share, 4))

    def emit(self, record: logging.LogRecord) -> None:
        self.say(note=record.getMessage())


def main() -> None:
    """Does the one task that the input holds."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_who_started, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that leases are given back
    voice = Voice(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what libraries print is no word of ours
    logging.getLogger("neo4j_relpred").addHandler(voice)
    try:
        settings = load_settings(overrides=task["settings"], read_default=False)
        _stand_back(task["kind"], settings.training)
        with RelationPredictor.open(settings) as predictor:
            result = KINDS[task["kind"]](predictor, voice.progress, **task["options"])
        voice.say(result=result)
    except RelpredError as error:
        voice.say(error=[error.code, error.message, error.hint])
    except MemoryError:
        hint = "Raise training.memory_gb, or lower what too-little-memory names in the documentation."
        voice.say(error=[TooLittleMemory.code, "The memory that this job may take is used up.", hint])
    except Exception as error:  # its message may hold text of the graph
        logging.getLogger(__name__).error("job failed type=%s at=%s", type(error).__name__, _place(error))
        voice.say(error=["internal", f"A fault of the program: {type(error).__name__}.", "The notes say where."])


def _train(
    predictor: RelationPredictor, progress: Progress, kind: str = "", resume: bool = False, **options: Any
) -> dict[str, Any]:
    """kind: refresh goes on from the live weights, retrain does not; both obey the gate, since nobody looks on.

    resume: over the data of the training that was killed.
    """
    if kind:
        options |= {"go_on": kind == "refresh", "gate": True}
    version, report = predictor.fit(predictor.begun_snapshot() if resume else None, progress, **options)
    return {
        "model": version.label,
        "live": version.live,
        "gate": version.about["gate"]["code"],
        "relationHitsAt1": report.relations.hits_at(1),
        "entityMrr": report.entities.mrr,
        "entityHitsAt10": report.entities.hits_at(10),
        "ece": report.calibration.ece,
        "seconds": report.seconds,
        "warnings": list(report.warnings),
    }


def _publish(predictor: RelationPredictor, progress: Progress, **options: Any) -> dict[str, Any]:
    return asdict(predictor.publish(progress, **options))


def _sync(predictor: RelationPredictor, progress: Progress, **options: Any) -> dict[str, Any]:
    return asdict(predictor.sync(progress=progress, **options))


KINDS: dict[str, Callable[..., dict[str, Any]]] = {"train": _train, "publish": _publish, "sync": _sync}


def _stand_back(kind: str, training: TrainingSettings) -> None:
    """A training takes what others leave: their processor time, and no more memory than it may."""
    if kind != "train":
        return
    os.nice(training.nice)
    if training.memory_gb is not None:
        limit = int(training.memory_gb * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _place(error: BaseException) -> str:
    """Where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown" if trace is None else f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"


if __name__ == "__main__":
    main()
