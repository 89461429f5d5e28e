"""How a service goes from one live version to the next: it answers by the old one until the new one can answer."""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from neo4j_relpred.api.answering import Answering
from neo4j_relpred.api.loaded import Loaded, Stamp
from neo4j_relpred.api.workspace import Workspace
from neo4j_relpred.graph.client import GraphClient

__all__ = ["Succession"]


class Succession(Answering):
    """Loads another version or snapshot in a thread of its own, once somebody looks for it by `ready`."""

    def __init__(self, workspace: Workspace, client: Callable[[], GraphClient]) -> None:
        super().__init__(workspace, client)
        self._coming: Future[Loaded] | None = None
        self._failed: tuple[Stamp, BaseException] | None = None

    def live(self, *, keep: bool = True) -> Loaded:
        """What was loaded last; loads only where nothing was. Raises what Answering.live raises."""
        return self._loaded or super().live(keep=keep)

    def ready(self) -> Loaded:
        """What answers from now on: the version that became live, as soon as it is loaded.

        Raises why it could not be, again at every look; `live` goes on answering, and every look tries it once more.
        """
        stamp = self._stamp()
        if self._loaded is None or self._loaded.stamp == stamp:
            self._failed = None
            return super().live(keep=True)
        if self._coming is not None and self._coming.done():
            coming, self._coming = self._coming, None
            error = coming.exception()
            if error is not None:
                self._failed = stamp, error
            elif coming.result().stamp == stamp:
                self._loaded = coming.result()
                return self._loaded
        if self._coming is None:
            self._coming = self._begun(stamp)
        if self._failed is not None and self._failed[0] == stamp:
            raise self._failed[1].with_traceback(None)
        return self._loaded

    def _load(self, stamp: Stamp, *, keep: bool = True) -> Loaded:
        loaded = _settled(super()._load(stamp, keep=keep))
        # several processes are what a service with more than one has for its cores
        return replace(loaded, workers=1) if self._workspace.settings.service.workers > 1 else loaded

    def _begun(self, stamp: Stamp) -> Future[Loaded]:
        coming: Future[Loaded] = Future()

        def load() -> None:
            try:
                coming.set_result(self._prepared(stamp))
            except BaseException as error:
                coming.set_exception(error)

        threading.Thread(target=load, name="relpred-next-model", daemon=True).start()
        return coming

    def _prepared(self, stamp: Stamp) -> Loaded:
        """Loaded, and what questions share is worked out: the first one would wait for it."""
        loaded = self._load(stamp)
        loaded.warm()
        return loaded


atexit.register(gc.unfreeze)  # or libraries would complain of what they find when the process ends


def _settled(loaded: Loaded) -> Loaded:
    """The same, after collecting garbage: what is left is not looked through again before the next version.

    To look through millions of objects that stay would stop questions for a third of a second.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    return loaded
