"""What a worker writes of itself for people, beside its row in the fleet's hash. Pure.

No script reads it, and other workers read it only to show it. So it may grow without making heartbeats dearer.
"""

import msgspec


class About(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running worker, as people see it. A new field needs a default: workers of another version do not write it."""

    name: str

    @property
    def text(self) -> bytes:
        """As it is in Redis."""
        return msgspec.json.encode(self)


def read(text: bytes) -> About | None:
    """What a worker has written; None if somebody else has written this, or nothing is there."""
    try:
        return msgspec.json.decode(text, type=About)
    except (msgspec.DecodeError, RecursionError):
        return None
