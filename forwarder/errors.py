"""Every exception this package raises on purpose.

::

    ForwarderError
    ├── ConfigurationError   a setting, or a key in Redis, that only a person can mend (exit 78)
    │   └── WrongTypeError   a Redis key of ours holds another type than ours
    ├── ServerMissingError   no redis-server to start for the demo or the tests
    ├── InvalidElementError  a list element that is not an event (DESIGN: wire format)
    ├── QueueError           Redis did not do what was asked
    │   ├── UnreachableError     no answer, or Redis cannot serve now: the command may or may not have run
    │   ├── LeaseLostError       another worker may own the list by now: nothing was changed
    │   └── RolledBackError      Redis went back in time (failover): nothing was changed, adopt again
    ├── ProgramError         the program that should edit events cannot be run
    └── PortInUseError       the admin address is taken

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


class ServerMissingError(ForwarderError):
    """No redis-server binary was found; the message says how to get one."""


class InvalidElementError(ForwarderError):
    """A list element that is not an event; the message names the member that is wrong."""


class QueueError(ForwarderError):
    """Redis did not do what was asked."""


class UnreachableError(QueueError):
    """Redis gave no answer, or cannot serve now. What was asked may or may not have been done."""


class LeaseLostError(QueueError):
    """The caller's token no longer holds the list. Nothing was changed."""


class RolledBackError(QueueError):
    """What Redis holds contradicts what it acknowledged before. Nothing was changed."""


class ProgramError(ForwarderError):
    """The program that was named for editing events cannot be run."""


class PortInUseError(ForwarderError):
    """The address asked for is already taken."""
