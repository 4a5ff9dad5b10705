"""Every exception this package raises on purpose.

::

    ForwarderError
    ├── ConfigurationError   a setting, or a key in Redis, that only a person can correct (exit 78)
    │   ├── WrongTypeError       a Redis key of the queue holds another type than ours
    │   └── ShardsDisagreeError  the queue has another number of lists than FORWARDER_SHARDS
    ├── ReshardError         the number of lists cannot be changed now, or another command has taken over
    ├── ServerMissingError   there is no redis-server to start for the demo or the tests
    ├── InvalidElementError  a list element that is not an event (deploy/producers.md)
    ├── QueueError           Redis did not do what was asked
    │   ├── UnreachableError     no answer, or Redis is unavailable: the command may or may not have run
    │   │   ├── RefusedError         nothing takes connections at the address: the command did not run
    │   │   └── DeniedError          a password or a right is missing: the command did not run
    │   ├── LeaseLostError       another worker may own the list by now: nothing was changed
    │   └── RolledBackError      Redis went back in time (failover): nothing was changed, adopt again
    ├── ProgramError         the program that should edit events cannot be run
    ├── PortInUseError       the admin address is in use
    ├── OutputError          standard output does not take what is written
    │   └── ReaderGoneError      nobody reads it any more
    ├── ExitOnHaltError      the service has halted, and is configured to exit then (exit 77)
    └── PushError            not every event was pushed as asked; it says which were, by position
        ├── InvalidEventError    nothing was pushed, because at least one of them is not an event
        ├── NotPushedError       Redis was not reached, or it refused: the rest was certainly not pushed
        │   ├── QueueFullError       as many events wait in a list as may wait there
        │   └── RedisFullError       Redis has no memory left
        ├── KeyReusedError       the idempotency key belongs to a push of other events
        ├── MaybePushedError     no reply: pushing again without an idempotency key may double events
        └── NotDurableError      pushed, but not known to be on as many replicas or disks as asked

A POST never raises: whatever happens to it is an answer, which is a value (see :mod:`forwarder.api.answer`).
"""

from collections.abc import Sequence


class ForwarderError(Exception):
    """The base of every exception that this package raises on purpose."""


class ConfigurationError(ForwarderError):
    """Settings that cannot work. `problems` has one line for each, without secrets."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class WrongTypeError(ConfigurationError):
    """A Redis key of the queue holds a value of another type."""

    def __init__(self, key: str, found: str, expected: str) -> None:
        super().__init__([f"Redis key {key!r} holds {found}, expected {expected}: is FORWARDER_QUEUE right?"])


class ShardsDisagreeError(ConfigurationError):
    """The queue has another number of lists than FORWARDER_SHARDS, or is being resharded."""

    def __init__(self, problem: str) -> None:
        super().__init__([problem])


class ReshardError(ForwarderError):
    """The number of lists was not changed, or not by this command. The message says why, and what to do."""


class ServerMissingError(ForwarderError):
    """No redis-server binary was found. The message says how to get one."""


class InvalidElementError(ForwarderError):
    """A list element that is not an event. The message names the member that is wrong."""


class QueueError(ForwarderError):
    """Redis did not do what was asked."""


class UnreachableError(QueueError):
    """Redis gave no answer, or is unavailable. The command may or may not have run. `remedy` says what to do."""

    remedy = "Check that Redis runs and can be reached (`FORWARDER_REDIS_URL`). The service then continues by itself"


class RefusedError(UnreachableError):
    """Nothing takes connections at the address of Redis. The command did not run."""


class DeniedError(UnreachableError):
    """Redis refused the command because a password or a right is missing. Only a person can change that."""

    remedy = "Give the Redis user the rights that it needs (deploy/redis.md). The service then continues by itself"

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy or self.remedy


class LeaseLostError(QueueError):
    """The caller's token does not hold the lease any more. Nothing was changed."""


class RolledBackError(QueueError):
    """Redis has lost data that it had acknowledged. Nothing was changed."""


class ProgramError(ForwarderError):
    """The program that should edit events cannot be run."""


class PortInUseError(ForwarderError):
    """The address is already in use."""


class OutputError(ForwarderError):
    """Standard output does not take what is written: a full disk, or a closed descriptor."""


class ReaderGoneError(OutputError):
    """Nobody reads standard output any more, as in ``forwarder dead list | head``."""


class ExitOnHaltError(ForwarderError):
    """The service has halted, and is configured to exit then (FORWARDER_ON_HALT=exit)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"halted ({reason}): {detail}")


class PushError(ForwarderError):
    """Not every event was pushed as asked.

    Three attributes have the positions of the events, from 0. Each event is in exactly one of them.

    Attributes:
        pushed: these events are in the list.
        uncertain: these may be in the list. Pushing them again may double them, unless the push had an idempotency key.
        not_pushed: these are certainly not in the list, and can be pushed again.
        why: what went wrong, without the counts.
    """

    def __init__(
        self, why: str, *, pushed: Sequence[int] = (), uncertain: Sequence[int] = (), not_pushed: Sequence[int] = ()
    ) -> None:
        tally = {"pushed": len(pushed), "maybe pushed": len(uncertain), "not pushed": len(not_pushed)}
        super().__init__(f"{', '.join(f'{count:,} {what}' for what, count in tally.items() if count)}: {why}")
        self.why = why
        self.pushed, self.uncertain, self.not_pushed = tuple(pushed), tuple(uncertain), tuple(not_pushed)


class InvalidEventError(PushError):
    """At least one is not an event, so none was pushed. `problems` has the position and the problem of each."""

    def __init__(self, problems: Sequence[tuple[int, str]], events: int) -> None:
        position, why = problems[0]
        where = f"event {position}: " if events > 1 else ""
        others = f" (and {len(problems) - 1:,} more are wrong)" if len(problems) > 1 else ""
        super().__init__(f"{where}{why}{others}", not_pushed=range(events))
        self.problems = tuple(problems)


class NotPushedError(PushError):
    """Redis was not reached, or it refused. No event is uncertain: those not pushed can be pushed again."""


class QueueFullError(NotPushedError):
    """As many events wait in a list as may wait there."""


class RedisFullError(NotPushedError):
    """Redis has no memory left and refuses to take more (``OOM``)."""


class KeyReusedError(PushError):
    """The idempotency key belongs to a push of other events. Give each push a key of its own."""


class MaybePushedError(PushError):
    """Redis did not reply, however often the push was repeated.

    With an idempotency key, push the same again. Without one, only the caller knows whether a doubled event is worse
    than a lost one.
    """


class NotDurableError(PushError):
    """The events are in the master's list, but not known to be as durable as the producer's `durability` asks."""
