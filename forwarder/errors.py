"""Every exception this package raises on purpose.

::

    ForwarderError
    ├── ConfigurationError   a setting, or a key in Redis, that only a person can mend (exit 78)
    │   ├── WrongTypeError   a Redis key of ours holds another type than ours
    │   └── ShardsDisagreeError  the queue has another number of lists than FORWARDER_SHARDS
    ├── ReshardError         the number of lists cannot be changed now, or another command has taken over
    ├── ServerMissingError   no redis-server to start for the demo or the tests
    ├── InvalidElementError  a list element that is not an event (DESIGN: wire format)
    ├── QueueError           Redis did not do what was asked
    │   ├── UnreachableError     no answer, or Redis cannot serve now: the command may or may not have run
    │   │   └── DeniedError          Redis wants another password, or more rights: it did not run
    │   ├── LeaseLostError       another worker may own the list by now: nothing was changed
    │   └── RolledBackError      Redis went back in time (failover): nothing was changed, adopt again
    ├── ProgramError         the program that should edit events cannot be run
    ├── PortInUseError       the admin address is taken
    ├── ExitOnHaltError      halted, and set to exit then (exit 77)
    └── PushError            not every event was pushed as asked; says by position which were
        ├── InvalidEventError    nothing was pushed: not all of it are events
        ├── NotPushedError       Redis was not reached, or refused: what was not pushed surely was not
        │   ├── QueueFullError       as many events wait as may wait
        │   └── RedisFullError       Redis has no memory left
        ├── MaybePushedError     no reply: pushing again may double events
        └── NotDurableError      pushed, but not known to be on as many replicas or disks as asked

A POST never raises: whatever happens to it is an answer, a value (see :mod:`forwarder.outcome`).
"""

from collections.abc import Sequence


class ForwarderError(Exception):
    """Base of everything raised on purpose by this package."""


class ConfigurationError(ForwarderError):
    """Settings that cannot work; ``problems`` holds one clear line each and no secret."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class WrongTypeError(ConfigurationError):
    """A Redis key that belongs to the queue holds a value of another type."""

    def __init__(self, key: str, found: str, expected: str) -> None:
        super().__init__([f"Redis key {key!r} holds {found}, expected {expected}: is FORWARDER_QUEUE right?"])


class ShardsDisagreeError(ConfigurationError):
    """The queue has another number of lists than FORWARDER_SHARDS, or is being resharded."""

    def __init__(self, problem: str) -> None:
        super().__init__([problem])


class ReshardError(ForwarderError):
    """The number of lists is not changed, or not by us; the message says why, and what to do."""


class ServerMissingError(ForwarderError):
    """No redis-server binary was found; the message says how to get one."""


class InvalidElementError(ForwarderError):
    """A list element that is not an event; the message names the member that is wrong."""


class QueueError(ForwarderError):
    """Redis did not do what was asked."""


class UnreachableError(QueueError):
    """Redis gave no answer, or cannot serve now. What was asked may or may not have been done."""


class DeniedError(UnreachableError):
    """Redis refused the command for want of a password or of a right. Only a person can change that."""


class LeaseLostError(QueueError):
    """The caller's token no longer holds the list. Nothing was changed."""


class RolledBackError(QueueError):
    """What Redis holds contradicts what it acknowledged before. Nothing was changed."""


class ProgramError(ForwarderError):
    """The program that was named for editing events cannot be run."""


class PortInUseError(ForwarderError):
    """The address asked for is already taken."""


class ExitOnHaltError(ForwarderError):
    """The service halted and is set to exit then (FORWARDER_ON_HALT=exit)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"halted ({reason}): {detail}")


class PushError(ForwarderError):
    """Not every event was pushed as asked.

    Each event is named by its position among those that were given, from 0, in exactly one of three.

    Attributes:
        pushed: they are in the list.
        uncertain: they may be in the list. Pushing them again may double them.
        not_pushed: they are surely not in the list, and can be pushed again.
        why: what went wrong, without these counts.
    """

    def __init__(
        self, why: str, *, pushed: Sequence[int] = (), uncertain: Sequence[int] = (), not_pushed: Sequence[int] = ()
    ) -> None:
        tally = {"pushed": len(pushed), "maybe pushed": len(uncertain), "not pushed": len(not_pushed)}
        super().__init__(f"{', '.join(f'{count:,} {what}' for what, count in tally.items() if count)}: {why}")
        self.why = why
        self.pushed, self.uncertain, self.not_pushed = tuple(pushed), tuple(uncertain), tuple(not_pushed)


class InvalidEventError(PushError):
    """At least one is no event, so none was pushed; ``problems`` has the position of each, and what is wrong."""

    def __init__(self, problems: Sequence[tuple[int, str]], events: int) -> None:
        position, why = problems[0]
        where = f"event {position}: " if events > 1 else ""
        others = f" (and {len(problems) - 1:,} more are wrong)" if len(problems) > 1 else ""
        super().__init__(f"{where}{why}{others}", not_pushed=range(events))
        self.problems = tuple(problems)


class NotPushedError(PushError):
    """Redis was not reached, or refused. None is uncertain: those not pushed can be pushed again."""


class QueueFullError(NotPushedError):
    """As many events wait in a list as may wait there."""


class RedisFullError(NotPushedError):
    """Redis has no memory left and refuses to take more (``OOM``)."""


class MaybePushedError(PushError):
    """Redis did not reply. Only the caller can say whether an event that is doubled is worse than one that is lost."""


class NotDurableError(PushError):
    """The pushed ones are in the master's list, but not known to be where the producer's ``durability`` wants them."""
