"""The summary that is logged once a minute, for people who have nothing but the log. Pure.

Nothing is logged while nothing happens: an idle night is not worth a page of zeros.
"""

from collections.abc import Mapping

#: Seconds until the first line, which is early for people who have just started the service.
_FIRST = 10.0
#: Seconds between two lines.
_PERIOD = 60.0

#: The value of every metric, by its name and by the value of its label, "" if it has none.
Values = Mapping[str, Mapping[str, float]]


def total(values: Values, name: str) -> float:
    """The sum of a metric over all values of its label; 0 before it has any."""
    return sum(values.get(name, {}).values())


class Summary:
    """One per process. Call :meth:`line` often: it decides when there is something to log.

    Args:
        now: seconds, monotonic.
    """

    def __init__(self, now: float, values: Values) -> None:
        self._at, self._before = now, _totals(values)
        self._due = now + _FIRST
        self._queue: dict[str, int] | None = None

    def line(self, now: float, values: Values) -> dict[str, float] | None:
        """The line to log now, or None: the rates of this worker since the previous line, and the present queue."""
        if now < self._due:
            return None
        seconds, totals = now - self._at, _totals(values)
        grown = {name: max(0.0, value - self._before[name]) for name, value in totals.items()}
        self._at, self._before, self._due = now, totals, now + _PERIOD
        before, queue = self._queue, _queue(values)
        self._queue = queue
        if not any(grown.values()) and (queue == before or not any(queue.values())):
            return None
        return {
            "events_per_second": round(grown["events"] / seconds, 1),
            "posts_per_second": round(grown["posts"] / seconds, 1),
            "events_per_post": round(grown["posted"] / grown["batches"], 1) if grown["batches"] else 0.0,
            "retries": int(grown["retries"]),
            **queue,
        }


def _totals(values: Values) -> dict[str, float]:
    """Counters, which only grow while the process lives."""
    return {
        "events": values["events_accepted_total"][""],
        "posts": total(values, "posts_total"),
        "posted": values["post_events_sum"][""],
        "batches": values["post_events_count"][""],
        "retries": total(values, "retries_total"),
    }


def _queue(values: Values) -> dict[str, int]:
    oldest = max(values["oldest_waiting_age_seconds"][""], values["oldest_claimed_age_seconds"][""])
    return {
        "backlog": int(values["backlog_events"][""]),
        "waiting": int(values["queue_waiting_events"][""]),
        "claimed": int(values["claimed_events"][""]),
        "oldest_seconds": int(oldest),
        "dead_letters": int(values["dead_letters"][""]),
    }
