"""The structure member learns in a process of its own while the tower learns in this one: two cores, a thread on each.

`python -m neo4j_relpred.training.aside FOLDER` is that process. What it is to do lies in FOLDER; what it learns, it
keeps where a training keeps its stages, so that a killed training finds it as if it had been learnt here. It ends when
the process that started it ends, however that ends.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

import torch

from neo4j_relpred.config import TrainingSettings
from neo4j_relpred.data.knowledge_graph import KnowledgeGraph
from neo4j_relpred.model.structure import ComplEx
from neo4j_relpred.training.budget import Budget
from neo4j_relpred.training.cores import prepare_torch
from neo4j_relpred.training.curves import Curves
from neo4j_relpred.training.structure import fit_structure
from neo4j_relpred.training.unfinished import Place, State, Unfinished, read_state

__all__ = ["Aside", "end_with_who_started"]

STAGE, TASK, CURVES = "structure", "task", "curves.json"
COMMAND = ["-m", __spec__.name]
LAST_LINES = 2_000  # characters of what it wrote

log = logging.getLogger(__name__)


class Aside:
    """A structure member in training beside this process; a context that ends it."""

    def __init__(
        self,
        graph: KnowledgeGraph,
        rank: int,
        settings: TrainingSettings,
        budget: Budget,
        start: ComplEx | None,
        unfinished: Unfinished,
    ) -> None:
        """`budget` is that of a stage which begins; one that goes on has what it had left."""
        self._own = tempfile.TemporaryDirectory(prefix="relpred-")
        folder = Path(self._own.name)
        self._kept = unfinished if unfinished.folder is not None else unfinished.shared(folder / "kept")
        tensors = {"triples": torch.from_numpy(graph.triples)}
        tensors |= {f"start/{name}": tensor for name, tensor in start.state_dict().items()} if start else {}
        about = {
            "entities": graph.num_entities,
            "relations": graph.num_relations,
            "rank": rank,
            "settings": settings.model_dump(mode="json"),
            "seconds": budget.seconds,
            "whole": unfinished.budget.seconds,
            "kept": str(self._kept.folder),
            "began": time.time(),
        }
        unfinished.shared(folder).write(TASK, State(tensors, about))
        self._words = (folder / "words").open("w+b")
        self.process = self._started(folder)

    def _started(self, folder: Path) -> subprocess.Popen[bytes] | None:
        """The process; None where the system gives none."""
        paths = os.pathsep.join(path for path in sys.path if path)
        try:
            return subprocess.Popen(
                [sys.executable, *COMMAND, str(folder)],
                stdin=subprocess.PIPE,  # at whose end it ends
                stdout=self._words,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": paths},
                start_new_session=True,  # a Ctrl-C is for who started it
            )
        except OSError as error:
            self._words.write(str(error).encode())
            return None

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self._words.close()
        self._own.cleanup()

    def wait(self, curves: Curves) -> Unfinished | None:
        """Where the learnt member is, or None where something went wrong, which the log says."""
        if self.process is not None and self.process.wait() == 0 and self._kept.load(STAGE):
            curves.read(Path(self._own.name) / CURVES)
            return self._kept
        self._words.seek(0)
        words = self._words.read().decode(errors="replace")[-LAST_LINES:]
        log.warning("The structure member could not be fitted in a process of its own:\n%s", words)
        return None


def main(folder: Path) -> None:
    """Fits the structure member that the task in a folder describes."""
    threading.Thread(target=end_with_who_started, daemon=True).start()
    fingerprint, task = read_state(folder, TASK)
    about, settings = task.about, TrainingSettings.model_validate(task.about["settings"])
    prepare_torch(settings)
    graph = KnowledgeGraph(about["entities"], about["relations"], task.tensors["triples"].numpy())
    start = None
    if weights := task.part("start"):
        start = ComplEx(len(weights["entity"]), len(weights["relation"]), about["rank"])
        start.load_state_dict(weights)
    passed = time.time() - about["began"]
    whole = Budget.resumed(about["whole"], about["used"] + passed)  # every state says what was used when it was kept
    kept = Unfinished.joined(Path(about["kept"]), fingerprint, whole)
    kept.load(STAGE)
    place = Place(kept, STAGE, Budget.resumed(about["seconds"], passed))
    curves = Curves()
    fit_structure(graph, about["rank"], settings, place.budget, start, lambda loss: curves.add(STAGE, loss), place)
    curves.write(folder / CURVES)


def end_with_who_started() -> None:
    """Waits for the end of the input, which the process that started this one holds open, and ends this one."""
    while os.read(0, 1):  # not by sys.stdin, which a thread that reads would lock against the end of Python
        pass
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
