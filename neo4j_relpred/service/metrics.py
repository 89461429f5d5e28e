"""What Prometheus reads of one service. A label is a route, a status or a queue, never a word of a question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from neo4j_relpred.data.daemon_state import DaemonState
from neo4j_relpred.service.worker import ModelWorker, Worker

__all__ = ["Metrics"]

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # up to the deadline


class Metrics:
    """Counts requests; looks at the workers, the daemon's file and the process only when it is read."""

    def __init__(
        self, model: ModelWorker, queues: Mapping[str, Worker], daemon: Callable[[], DaemonState | None]
    ) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "relpred_requests", "Requests that ended.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "relpred_request_duration_seconds",
            "From the headers of a request to the end of its answer.",
            ["route"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_Workers(model, queues))
        self._registry.register(_Daemon(daemon))
        ProcessCollector(registry=self._registry)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts one request."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        return generate_latest(self._registry)


class _Workers(Collector):
    def __init__(self, model: ModelWorker, queues: Mapping[str, Worker]) -> None:
        self._model, self._queues = model, queues

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("relpred_queue_waiting", "Calls that wait.", labels=["queue"])
        running = GaugeMetricFamily("relpred_queue_running", "Calls that run.", labels=["queue"])
        for name, worker in self._queues.items():
            waits, runs = worker.load()
            waiting.add_metric([name], waits)
            running.add_metric([name], runs)
        model = self._model
        yield from (waiting, running)
        yield GaugeMetricFamily("relpred_model_loaded", "1 when there is a model to ask.", model.model is not None)
        yield GaugeMetricFamily("relpred_workers_up", "Workers that have a model to ask.", model.up)
        for name, told in (
            ("loads", "Versions loaded, the first one among them."),
            ("load_failures", "Tries to load that failed."),
        ):
            count = sum(getattr(hand, name) for hand in model.hands)
            yield CounterMetricFamily(f"relpred_model_{name}", told, count)
        count = sum(hand.restarts for hand in model.hands)
        yield CounterMetricFamily("relpred_worker_restarts", "Processes of workers that ended and began anew.", count)


class _Daemon(Collector):
    """What the daemon wrote beside the models; nothing where none ever did."""

    def __init__(self, read: Callable[[], DaemonState | None]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        state = self._read()
        if state is None:
            return
        lag = state.lag_seconds()
        if lag is not None:
            told = "How old a change may be that predictions do not show yet."
            yield GaugeMetricFamily("relpred_sync_lag_seconds", told, lag)
        yield GaugeMetricFamily("relpred_sync_pending", "Nodes that wait for the next sync.", state.pending)
        yield GaugeMetricFamily("relpred_sync_failing", "Nodes and edges that the last sync left out.", state.failing)
        failures = state.failures_in_a_row
        yield GaugeMetricFamily(
            "relpred_sync_failures_in_a_row", "Tries that failed since the last good one.", failures
        )
        yield GaugeMetricFamily("relpred_sync_up", "1 when the daemon is well, else 0.", state.problem() is None)
