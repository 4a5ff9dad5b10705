"""The last 15 minutes, as numbers for charts: a ring of samples, bounded in memory. Pure."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

#: Seconds between two samples.
PERIOD = 5.0
#: This many samples are kept: 180 for 15 minutes, and the one before them, which the first rate needs.
_SAMPLES = 181
#: Seconds over which the present pace is measured: two periods, so that one late sample does not show as a jump.
_NOW = 10.0
#: Seconds over which recent answers are counted.
LATELY = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters and gauges at one moment. None is unknown: Redis did not answer, or this worker cannot know."""

    #: Seconds, monotonic.
    at: float
    backlog: int | None = None
    accepted: int | None = None
    #: When these two were counted, by this process or another one; None if that was at this moment.
    counted: float | None = None
    oldest: float | None = None
    posts: float = 0.0
    posted_events: float = 0.0
    batches: float = 0.0
    retries: float = 0.0
    answers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pace:
    """What happened between two samples, per second or per POST. None where it is unknown or has no meaning."""

    accepted: float | None = None
    posts: float | None = None
    events_per_post: float | None = None
    retries: float | None = None


def pace(before: Sample, after: Sample) -> Pace:
    """The pace between two samples. A counter that went back, as after FLUSHALL, makes its pace unknown."""
    seconds = after.at - before.at
    if seconds <= 0:
        return Pace()

    def grown(old: float | None, new: float | None) -> float | None:
        return None if old is None or new is None or new < old else new - old

    def rate(old: float | None, new: float | None) -> float | None:
        found = grown(old, new)
        return None if found is None else found / seconds

    batches, accepted = grown(before.batches, after.batches), grown(before.accepted, after.accepted)
    between = _counted(after) - _counted(before)
    return Pace(
        accepted=accepted / between if accepted is not None and between > 0 else None,
        posts=rate(before.posts, after.posts),
        events_per_post=(after.posted_events - before.posted_events) / batches if batches else None,
        retries=rate(before.retries, after.retries),
    )


def _counted(sample: Sample) -> float:
    return sample.at if sample.counted is None else sample.counted


class History:
    """Samples in the order in which they were taken. The oldest is dropped first."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_SAMPLES)

    def add(self, sample: Sample) -> None:
        self._samples.append(sample)

    def before(self, now: float, seconds: float) -> Sample | None:
        """The newest sample that is at least this many seconds old, otherwise the oldest one; None if there is none."""
        old = [sample for sample in self._samples if now - sample.at >= seconds]
        return old[-1] if old else next(iter(self._samples), None)

    def now(self, sample: Sample) -> Pace:
        """The pace of the last seconds before a sample, which need not be part of the history."""
        before = self.before(sample.at, _NOW)
        return Pace() if before is None else pace(before, sample)

    def answers(self, sample: Sample) -> dict[str, int]:
        """How often each answer came in the last minute before a sample; the most frequent first."""
        before = self.before(sample.at, LATELY)
        old = {} if before is None else before.answers
        grown = {answer: int(count - old.get(answer, 0)) for answer, count in sample.answers.items()}
        return dict(sorted(((a, n) for a, n in grown.items() if n > 0), key=lambda item: -item[1]))

    def went_back(self, sample: Sample) -> bool:
        """Whether fewer events were accepted in all than at some moment of the last 15 minutes."""
        known = [each.accepted for each in self._samples if each.accepted is not None]
        return sample.accepted is not None and max(known, default=0) > sample.accepted

    def columns(self, now: float) -> dict[str, list[float | None]]:
        """One list for each chart, oldest first, and `age`: how many seconds ago each point is."""
        points = [(after, pace(before, after)) for before, after in pairwise(self._samples)]
        return {
            "age": _rounded(now - sample.at for sample, _ in points),
            "backlog": [sample.backlog for sample, _ in points],
            "accepted": _rounded(each.accepted for _, each in points),
            "posts": _rounded(each.posts for _, each in points),
            "events_per_post": _rounded(each.events_per_post for _, each in points),
            "retries": _rounded(each.retries for _, each in points),
            "oldest": _rounded(sample.oldest for sample, _ in points),
        }


def _rounded(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 2) for value in values]
