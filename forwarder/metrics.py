"""Every metric, in a registry of its own. Label values come from closed sets, never from user data."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from forwarder import __version__
from forwarder.outcome import PAUSED, HaltReason, LetterReason

CONTENT_TYPE = CONTENT_TYPE_LATEST

# PROMETHEUS_MULTIPROC_DIR, meant for web servers with several processes, would put every value into files of that
# folder, and fail if there is none. A worker is one process.
values.ValueClass = values.MutexValue

#: Each of these statuses has a label value of its own. All others share "other", so that no server can invent series.
STATUSES = frozenset(
    f"{status}"
    for status in (
        *(200, 201, 202, 204),
        *(301, 302, 303, 304, 307, 308),
        *(400, 401, 403, 404, 405, 407, 408, 410, 413, 414, 415, 422, 425, 429, 431),
        *(500, 501, 502, 503, 504),
    )
)


def status_label(status: int) -> str:
    """The label value for an HTTP status."""
    text = str(status)
    return text if text in STATUSES else "other"


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # Of its own, because these need the system to be asked, and only a scrape shows them.
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._events()
        self._posts()
        self._state()
        for letter in LetterReason:
            self.events_dead_lettered.labels(letter.value)
        for halt in (*HaltReason, PAUSED):
            self.halted.labels(halt).set(0)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"forwarder_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"forwarder_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"forwarder_{name}", text, registry=self._registry, buckets=buckets)

    def _events(self) -> None:
        self.events_claimed = self._counter("events_claimed_total", "Events that were claimed from the list.")
        self.events_accepted = self._counter("events_accepted_total", "Events that the API accepted.")
        self.events_dead_lettered = self._counter(
            "events_dead_lettered_total", "Events that became dead letters, by reason.", "reason"
        )
        self.events_adopted = self._counter(
            "events_adopted_total", "Claimed events taken over from an earlier owner of the list."
        )
        self.events_deferred = self._counter(
            "events_deferred_total", "Events that were undecided when the worker stopped, halted or lost its lease."
        )
        self.claim_to_accept = self._histogram(
            "claim_to_accept_seconds",
            "Time from the claim of the oldest event in an accepted POST to its acceptance.",
            # Up to four hours: claimed events wait through an outage.
            (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400),
        )

    def _posts(self) -> None:
        self.posts = self._counter(
            "posts_total", "POSTs, by the status of the answer, or by the reason why there was none.", "status"
        )
        #: Looked up once, because nearly every POST counts it.
        self.posts_accepted = self.posts.labels("202")
        self.api_last_accepted = self._gauge(
            "api_last_accepted_timestamp_seconds",
            "When the API last accepted a POST of this worker, in seconds since 1970; 0 if it never has.",
        )
        self.api_outage = self._gauge(
            "api_outage",
            "1 while the API accepts and refuses nothing, for at least three users and five seconds, to this worker.",
        )
        self.posts_ambiguous = self._counter(
            "posts_ambiguous_total", "POSTs that got no answer but may have arrived. Each may double its events."
        )
        self.post_duration = self._histogram(
            "post_duration_seconds",
            "Time from sending a POST to its answer.",
            (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self.post_events = self._histogram(
            "post_events", "Number of events in a POST.", (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
        )
        self.retries = self._counter(
            "retries_total", "Attempts that failed and are retried, by status or cause of the failure.", "cause"
        )
        self.bisections = self._counter("bisections_total", "Refused batches that were halved.")

    def _state(self) -> None:
        self.build_info = self._gauge("build_info", "1, with the version of this worker.", "version")
        self.build_info.labels(__version__).set(1)
        self.backlog_events = self._gauge(
            "backlog_events", "Events that wait or are claimed: all that have neither been accepted nor refused yet."
        )
        self.queue_waiting_events = self._gauge("queue_waiting_events", "Events that wait in the queue's lists.")
        self.claimed_events = self._gauge("claimed_events", "Events that are claimed and not settled.")
        self.dead_letters = self._gauge("dead_letters", "Dead letters kept in Redis.")
        self.imbalance = self._gauge(
            "imbalance_events",
            "By how many events the counts of claims, outcomes and dead letters disagree; must be 0.",
        )
        self.oldest_waiting_age = self._gauge(
            "oldest_waiting_age_seconds", "How long this process has seen the oldest waiting event wait."
        )
        self.buffered_events = self._gauge("buffered_events", "Claimed events in this worker's memory.")
        self.oldest_claimed_age = self._gauge(
            "oldest_claimed_age_seconds", "Time since the oldest unsettled claim of this worker."
        )
        self.concurrency_limit = self._gauge("concurrency_limit", "How many POSTs may be in flight now.")
        self.rate_limit = self._gauge("rate_limit", "How many POSTs may start per second now; 0 means no limit.")
        self.halted = self._gauge("halted", "1 while the service is halted for this reason.", "reason")
        self.lists = self._gauge("lists", "Lists of the queue.")
        self.lease_held = self._gauge(
            "lease_held", "1 while this worker owns the list of this shard; 0 once it no longer does.", "shard"
        )
        self.redis_used_memory = self._gauge("redis_used_memory_bytes", "Memory that Redis uses; 0 if unknown.")
        self.redis_max_memory = self._gauge(
            "redis_max_memory_bytes",
            "Memory that Redis may use: its maxmemory, or the memory of its machine if there is none; 0 if unknown.",
        )
        self.lease_lost = self._counter("lease_lost_total", "Leases that were lost before they were released.")
        self.redis_errors = self._counter(
            "redis_errors_total", "Redis commands that failed because Redis was unavailable."
        )
        self.log_lines_dropped = self._counter("log_lines_dropped_total", "Log lines that could not be written.")

    def values(self) -> dict[str, dict[str, float]]:
        """Every sample, by its name without "forwarder_", and by the value of its label, "" if it has none."""
        found: dict[str, dict[str, float]] = {}
        for family in self._registry.collect():
            for sample in family.samples:
                label = next(iter(sample.labels.values()), "")
                found.setdefault(sample.name.removeprefix("forwarder_"), {})[label] = sample.value
        return found

    @staticmethod
    def value(metric: Counter | Gauge) -> float:
        """The value of one metric that has no label. That takes 10 µs; to read all takes 750."""
        return next(sample.value for family in metric.collect() for sample in family.samples)

    def expose(self) -> bytes:
        """All metrics in the text format of Prometheus, those of the process too: its CPU, memory, and open files."""
        return generate_latest(self._registry) + generate_latest(self._process)
