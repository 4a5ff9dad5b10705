"""Logs what is found, once when it begins and once when it is over, in the words of the status page.

A halt, an outage of the API, and a Redis that does not answer are logged by the parts that notice them first. What goes
away by itself within seconds, such as a list without an owner, is not logged.
"""

from collections.abc import Callable, Iterable

import structlog

from forwarder.diagnosis.finding import Finding
from forwarder.outcome import HaltReason

#: What is logged, and what counts as the same: a person who has read one of the two lines does not need the other one.
_KINDS = {
    "brake_near": "brake_near",
    "imbalance": "imbalance",
    "late": "late",
    "letters": "letters",
    "orphan": "orphan",
    "redis_full": "redis_full",
    "refusals": "letters",
    "rolled_back": "rolled_back",
}
#: Seconds for which something must have been over before it is logged again. A backlog whose oldest event is about five
#: minutes old is late and not late again and again.
_AGAIN = 60.0
#: While these are found, and for some seconds afterwards, nothing new is logged: when Redis is back, every lease and
#: every worker's row has just expired, and looks as if its worker were gone.
_UNSETTLED = frozenset({"redis", "stale", "starting"})
_SETTLES = 10.0

log = structlog.get_logger()


class Notices:
    """What was logged and is not over yet.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[str, Finding] = {}
        self._seen: dict[str, float] = {}
        self._settled = 0.0

    def tell(self, found: Iterable[Finding]) -> None:
        """Logs what is new among what is found now, and what is not found any more."""
        now, found = self._clock(), list(found)
        if any(each.reason in _UNSETTLED for each in found):
            self._settled = now + _SETTLES
        if any(each.reason == HaltReason.DEAD_LETTER_BRAKE for each in found):
            self._seen |= {"letters": now, "brake_near": now}  # its line has said it
        kinds = {_KINDS[each.reason]: each for each in found if each.reason in _KINDS}
        for kind, each in kinds.items():
            if kind not in self._open and now >= self._settled and now - self._seen.get(kind, float("-inf")) > _AGAIN:
                self._open[kind] = each
                level = log.error if each.tone == "bad" else log.warning
                level(each.title, reason=each.reason, detail=each.detail, remedy=each.remedy)
            if now >= self._settled:
                self._seen[kind] = now
        for kind in self._open.keys() - kinds.keys():
            over = self._open.pop(kind)
            log.info("over", reason=over.reason, what=over.title)
