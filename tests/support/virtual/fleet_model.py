"""A model of the fleet's latest decisions, in memory: what `tally.lua` does.

`tests/integration/queue/test_decisions.py` compares it with the script on real servers, so tests on a virtual clock may
trust it.
"""

from collections import Counter

from redis.asyncio import Redis

from forwarder.queue.decisions import Decisions
from forwarder.queue.tally import Report, Tally

#: Gets no command.
_NO_REDIS = Redis()


class SequenceModel:
    """The reports of one window, oldest first."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, Report]] = []

    def tally(self, worker: str, report: Report, window: int) -> Tally:
        if report.decisions and (worker, report) not in self.reports:
            self.reports.append((worker, report))
            del self.reports[: -window - 200]
        seen = refused = 0
        users: dict[str, int] = {}
        reasons: Counter[str] = Counter()
        for _, each in reversed(self.reports):
            if seen >= window:
                break
            beyond = 0
            for user, times in each.users:
                counted = min(times, -(-window // 3) - users.get(user, 0))
                users[user] = users.get(user, 0) + counted
                beyond += times - counted
            seen += each.decisions - beyond
            refused += each.refusals - beyond
            if each.times:
                reasons[each.reason] += each.times
        return Tally(seen, refused, len(users), max(reasons, key=lambda reason: reasons[reason], default=""))


class DecisionsModel(Decisions):
    """One worker's side of a :class:`SequenceModel`."""

    def __init__(self, sequence: SequenceModel, worker: str = "w") -> None:
        super().__init__(_NO_REDIS, "", worker)
        self._sequence = sequence

    async def tally(self, report: Report, *, window: int) -> Tally:
        return self._sequence.tally(self._worker, report, window)
