"""The keys that let a push command be repeated, and how long Redis remembers them."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from forwarder.producer.arguments import outside
from forwarder.queue.markers import digest_of

#: The longest key, in bytes of UTF-8. Each list of a push keeps it in the memory of Redis.
_LONGEST = 200
_YEAR = 366 * 86_400
#: Seconds that a marker lives beyond the last try.
_MARGIN = 60.0


class Key(NamedTuple):
    """What the commands of one push say of it.

    Attributes:
        text: the idempotency key.
        digest: of the events; another one under the same key is refused.
        milliseconds: how long Redis remembers the key after each command.
        given: whether the caller gave it.
    """

    text: str
    digest: int
    milliseconds: int
    given: bool


class Keys:
    """Makes the keys of one producer.

    A marker must outlive the last try, or that try pushes again what an earlier one has pushed. An earlier try was
    executed when its command arrived. The reply counts as lost `answer_timeout` later; then tries start for `retry_for`
    seconds; the last one may take `answer_timeout` to find out about the master and the same to connect. By default
    8 + 5 + 8 + 8 = 29 s. When its client has given up, a command may still lie in the buffer of a proxy or of a server
    that is stuck; the margin is for that.
    """

    def __init__(self, *, retry_for: float, remember_for: float, answer_timeout: float) -> None:
        self._retry_for = retry_for
        self._remember_for = remember_for
        self._lifetime = retry_for + 3 * answer_timeout + _MARGIN

    def problems(self) -> Iterator[str]:
        """What cannot work, one line for each argument."""
        yield from outside("retry_for", self._retry_for, 0, 3_600, unit=" seconds", example=5)
        yield from outside("remember_for", self._remember_for, 1, _YEAR, unit=" seconds", example=86_400)

    def automatic(self) -> Key | None:
        """A key for one push of one caller; None if nothing is ever repeated.

        Nobody else knows the key, so its digest need not tell events apart.
        """
        if not self._retry_for:
            return None
        return Key(secrets.token_urlsafe(12), 1, _milliseconds(self._lifetime), given=False)

    def given(self, text: str, events: Sequence[bytes]) -> Key:
        """The caller's key for these events."""
        lifetime = max(self._remember_for, self._lifetime)
        return Key(text, digest(events), _milliseconds(lifetime), given=True)


def check(text: object) -> None:
    """Raises TypeError or ValueError for what cannot be an idempotency key."""
    if not isinstance(text, str):
        raise TypeError(f"idempotency_key: must be text, not {type(text).__name__}")
    size = len(text.encode(errors="surrogatepass"))
    if not text or size > _LONGEST or not text.isprintable():
        raise ValueError(
            f"idempotency_key: must be 1 to {_LONGEST} bytes of printable text, such as order-1017-paid; "
            f"it has {size:,} bytes"
        )


def digest(events: Sequence[bytes]) -> int:
    """A number from 1 to 9,223,372,034 for these events, as ``push_once.lua`` describes it."""
    return digest_of(hashlib.sha256(b"".join(event + b"\n" for event in events)))


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1_000)
