"""The fleet's latest decisions, as its workers report them: one short list in Redis for each window of the brake."""

from redis.asyncio import Redis

from forwarder.errors import RolledBackError, WrongTypeError
from forwarder.queue.tally import Report, Tally
from forwarder.queue.wire import scripts

#: Reports that are kept beyond one for each decision of a window. A report that is sent again after a lost reply must
#: still be there, and so must enough decisions if most reports are about a single user.
_SPARE = 200
#: Milliseconds after which decisions are forgotten if no report comes: a week.
_KEPT = 7 * 24 * 3_600_000


class Decisions:
    """One window of the fleet's latest decisions, for one worker.

    Args:
        redis: the client.
        key: the window's list.
        worker: ID of the worker that reports.
    """

    def __init__(self, redis: Redis, key: str, worker: str) -> None:
        self._redis = redis
        self._key = key
        self._worker = worker

    async def tally(self, report: Report, *, window: int) -> Tally:
        """Adds a report, once, and sums up the newest reports that together hold `window` decisions, or all there are.

        Of one user's refusals at most a third of the window counts, so that no two users decide for all.

        Raises:
            WrongTypeError: the key holds another type.
            UnreachableError: no answer. Call it again with the same report.
        """
        entry = report.entry(self._worker) if report.decisions else ""
        arguments: list[str | bytes | int] = [entry, window, -(-window // 3), window + _SPARE, _KEPT]
        try:
            decisions, refusals, users, reason = await scripts.run(self._redis, "tally", [self._key], arguments)
        except RolledBackError as error:
            raise WrongTypeError(self._key, "another type", "a list") from error
        return Tally(decisions, refusals, users, reason.decode(errors="replace"))
