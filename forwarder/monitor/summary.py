"""The summary that is logged once a minute, for those who have nothing but the log. Pure.

Nothing is logged while nothing happens: an idle night is not worth a page of zeros.
"""

from collections.abc import Mapping

#: Seconds until the first line, so that whoever has just started the service sees one, and between two lines.
_FIRST, _PERIOD = 10.0, 60.0

#: Of every metric, by the value of its label ("" without one).
Values = Mapping[str, Mapping[str, float]]


def total(values: Values, name: str) -> float:
    """A metric over all values of its label; 0 before it has any."""
    return sum(values.get(name, {}).values())


class Summary:
    """One per process. To be asked often; it decides itself when there is something to say.

    Args:
        now: seconds, monotonic.
    """

    def __init__(self, now: float, values: Values) -> None:
        self._at, self._before = now, _totals(values)
        self._due = now + _FIRST
        self._stood: dict[str, int] | None = None

    def line(self, now: float, values: Values) -> dict[str, float] | None:
        """What to log now, if anything: what this worker did a second, and how the queue stands."""
        if now < self._due:
            return None
        seconds, totals = now - self._at, _totals(values)
        grown = {name: max(0.0, value - self._before[name]) for name, value in totals.items()}
        self._at, self._before, self._due = now, totals, now + _PERIOD
        before, stands = self._stood, _stands(values)
        self._stood = stands
        if not any(grown.values()) and (stands == before or not any(stands.values())):
            return None
        return {
            "events_per_second": round(grown["events"] / seconds, 1),
            "posts_per_second": round(grown["posts"] / seconds, 1),
            "events_per_post": round(grown["posted"] / grown["batches"], 1) if grown["batches"] else 0.0,
            "retries": int(grown["retries"]),
            **stands,
        }


def _totals(values: Values) -> dict[str, float]:
    """What only grows while the process lives."""
    return {
        "events": values["events_accepted_total"][""],
        "posts": total(values, "posts_total"),
        "posted": values["post_events_sum"][""],
        "batches": values["post_events_count"][""],
        "retries": total(values, "retries_total"),
    }


def _stands(values: Values) -> dict[str, int]:
    oldest = max(values["oldest_waiting_age_seconds"][""], values["oldest_claimed_age_seconds"][""])
    return {
        "waiting": int(values["queue_waiting_events"][""]),
        "claimed": int(values["claimed_events"][""]),
        "oldest_seconds": int(oldest),
        "dead_letters": int(values["dead_letters"][""]),
    }
