"""What Prometheus is told. No label names an object, but for releases in flight, of which there are few."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from paritygate.api import CompressionValidation, ValidationPolicy, ValidationStatus
from paritygate.cluster import Key, Request, Store
from paritygate.engine import Outcome, WorkQueue

_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)
_MINUTES = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600)
_ROLLBACK = (1, 2, 5, 10, 20, 30, 60, 120, 300)


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reconciles = self._counter("reconcile", "Work on validations by its ending.", "result")
        self._reconcile_seconds = self._histogram("reconcile_seconds", "Seconds of one reconcile.", _SECONDS)
        self._requests = self._counter("api_requests", "Requests to the API server.", "verb", "code")
        self._evaluations = self._counter("evaluations", "Verdicts.", "verdict", "tier", "reason")
        self._evaluation_seconds = self._histogram(
            "evaluation_duration_seconds", "First attempt's start to the verdict.", _MINUTES
        )
        self._rollback_seconds = self._histogram(
            "rollback_duration_seconds", "Breach to no traffic on the candidate.", _ROLLBACK
        )
        self.leader = Gauge("paritygate_leader", "1 on the replica that leads.", registry=self.registry)
        self.watch_missed = self._counter("watch_missed", "Objects that the re-list found and no watch announced.")
        self.loop_lag = Gauge(
            "paritygate_event_loop_lag_seconds", "How late the event loop ran.", registry=self.registry
        )
        build = Gauge("paritygate_build_info", "Always 1.", ["version"], registry=self.registry)
        build.labels(version("paritygate")).set(1)

    def reconciled(self, outcome: Outcome, seconds: float) -> None:
        """Work on a validation ended."""
        self._reconciles.labels(outcome.value).inc()
        self._reconcile_seconds.observe(seconds)

    def requested(self, request: Request) -> None:
        """The API server answered; code 0 when it did not."""
        self._requests.labels(request.verb, str(request.code)).inc()

    def status_written(
        self, before: ValidationStatus, after: ValidationStatus, policy: ValidationPolicy | None
    ) -> None:
        """A status was written: count what came to pass by it. Never before: what is counted, has happened."""
        verdict = after.verdict
        if verdict is not None and before.verdict != verdict:
            tier = policy.spec.tier.value if policy else "Unknown"
            self._evaluations.labels(verdict.outcome.value, tier, verdict.reason).inc()
            starts = [attempt.started_at for attempt in after.attempts if attempt.started_at]
            if starts:
                self._evaluation_seconds.observe(_between(min(starts), verdict.decided_at))
        old, new = before.release, after.release
        if new and new.breached_at and new.zero_at and not (old and old.zero_at):
            self._rollback_seconds.observe(_between(new.breached_at, new.zero_at))

    def watch(self, queue: WorkQueue[Key], store: Store) -> None:
        """Read queue and store at every scrape from now on."""
        self.registry.register(_Scraped(queue, store))

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"paritygate_{name}", help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(f"paritygate_{name}", help, buckets=tuple(buckets), registry=self.registry)


class _Scraped(Collector):
    """What is cheaper to look up at a scrape than to keep counted."""

    def __init__(self, queue: WorkQueue[Key], store: Store) -> None:
        self._queue, self._store = queue, store

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("paritygate_workqueue_depth", "Keys that wait.", self._queue.depth)
        oldest = self._queue.oldest_waiting
        yield GaugeMetricFamily("paritygate_workqueue_oldest_seconds", "Wait of the first in the line.", oldest)
        objects = GaugeMetricFamily("paritygate_store_objects", "Objects kept, by kind.", labels=["kind"])
        for kind, count in self._store.count().items():
            objects.add_metric([kind], count)
        yield objects
        yield self._traffic()

    def _traffic(self) -> Metric:
        ratio = GaugeMetricFamily(
            "paritygate_candidate_traffic_ratio",
            "The candidate's share of traffic, of releases in flight.",
            labels=["namespace", "validation"],
        )
        for manifest in self._store.releasing():
            validation = CompressionValidation.model_validate(manifest)
            release = validation.status.release
            if release and release.effective_percent is not None:
                metadata = validation.metadata
                ratio.add_metric([metadata.namespace or "", metadata.name], release.effective_percent / 100)
        return ratio


def _between(start: str, end: str) -> float:
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
