"""What Redis holds as a queue's number of lists: the number, or a mark while a resharding changes it. Pure.

===========================  =================================================================
``4``                        the queue has 4 lists
``1 to 4 9f3a01c2``          its content is being moved from 1 list to 4, by the run with this ID
``1 to 4 9f3a01c2 tidy``     everything has been moved; what the move left behind is being deleted
===========================  =================================================================
"""

import re
from typing import NamedTuple, Self

from forwarder.errors import ShardsDisagreeError
from forwarder.queue.keys import QueueKeys
from forwarder.queue.sharding import MOST_SHARDS

_NUMBER = r"[1-9]\d{0,3}"
_MARK = re.compile(rf"(?P<before>{_NUMBER}) to (?P<after>{_NUMBER}) (?P<id>[0-9a-f]+)(?P<tidy> tidy)?")
#: Characters of a foreign text that an error message quotes.
_QUOTED = 40


class Mark(NamedTuple):
    """A resharding under way, or one that was cut off."""

    before: int
    after: int
    id: str
    tidying: bool = False

    @property
    def text(self) -> str:
        """As it is in Redis."""
        return f"{self.before} to {self.after} {self.id}" + (" tidy" if self.tidying else "")

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The mark that a text is, if it is one."""
        found = _MARK.fullmatch(text)
        return found and cls(int(found["before"]), int(found["after"]), found["id"], bool(found["tidy"]))


def is_count(text: str) -> bool:
    """Whether a text is a number of lists that a queue can have."""
    return re.fullmatch(_NUMBER, text) is not None and int(text) <= MOST_SHARDS


def foreign(queue: str, text: str) -> str:
    """The problem that a text is neither a number of lists nor a mark."""
    key = QueueKeys(queue).shards
    return f"Redis key {key!r} holds {text[:_QUOTED]!r}, which is not a number of lists: is FORWARDER_QUEUE right?"


def disagreement(queue: str, agreed: str, configured: int) -> ShardsDisagreeError:
    """What is wrong, and what to do, when a queue has another number of lists than the settings say."""
    mark = Mark.read(agreed)
    if mark is not None:
        command = f"forwarder reshard {mark.after} --move"
        return ShardsDisagreeError(f"the queue {queue!r} is being resharded ({agreed}): run `{command}` to finish it")
    if not is_count(agreed):
        return ShardsDisagreeError(foreign(queue, agreed))
    advice = f"set FORWARDER_SHARDS={agreed}, or stop every worker and run `forwarder reshard {configured}`"
    return ShardsDisagreeError(
        f"FORWARDER_SHARDS is {configured}, but the queue {queue!r} has {agreed} shards: {advice}"
    )


def being_moved(name: str) -> ShardsDisagreeError:
    """What is wrong, and what to do, when a resharding is moving the content of a list."""
    return ShardsDisagreeError(
        f"`forwarder reshard` is moving the list {name!r}: wait until it is done, or run it again to finish it. "
        "Then run this command with the new number in FORWARDER_SHARDS"
    )
