"""What happens in a simulated fleet, step by step: the last lines in full, and a digest of all of it."""

from collections import deque
from collections.abc import Callable
from hashlib import blake2b

#: Lines that are kept for a person.
_KEPT = 400


class Trace:
    """Two runs were the same if their digests are."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hash = blake2b(digest_size=16)
        self._lines: deque[tuple[float, str, object]] = deque(maxlen=_KEPT)
        self.steps = 0

    def add(self, actor: str, what: object, reply: bytes = b"") -> None:
        """`actor` did something, and `reply` is what came of it."""
        now = self._clock()
        self.steps += 1
        self._hash.update(b"%f %b %b %b\n" % (now, actor.encode(), repr(what).encode(), reply))
        self._lines.append((now, actor, what))

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    @property
    def tail(self) -> list[str]:
        """The last lines."""
        return [f"{at:12.6f} {actor:10} {str(what)[:200]}" for at, actor, what in self._lines]
