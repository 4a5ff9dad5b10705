"""The number that a marker of pushed events holds: digest × 10⁹ + count. Pure.

The digest is 33 bits of a SHA-256 of events, each followed by a newline; the count says how many of them were pushed.
``push_once.lua`` describes the same for producers in other languages.
"""

from typing import Protocol

#: One more than the largest count.
COUNTS = 10**9
#: The largest digest. With any count, the number fits the 64 bits that Redis has: 9,223,372,034,999,999,999 < 2^63.
_DIGESTS = 9_223_372_034


class _Hash(Protocol):
    def digest(self) -> bytes: ...


def digest_of(sha256: _Hash) -> int:
    """The digest, from 1 to 9,223,372,034, that belongs to a SHA-256."""
    return 1 + int.from_bytes(sha256.digest()[:8], "big") % _DIGESTS


def count_of(marker: int) -> int:
    """How many events a marker stands for."""
    return marker % COUNTS
