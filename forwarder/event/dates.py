"""Which dates are valid, and how a timestamp is written. Pure."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

DATE_FORM = "YYYY-MM-DD[Thh:mm[:ss[.fraction]][Z|±hh:mm]]"

# Second 60 is a leap second (ISO 8601). It is valid on every day: which days had one is not known here.
_DATE = re.compile(
    r"""
    (?: \d{4}-(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])
      | \d{4}-(?:0[469]|11)-(?:0[1-9]|[12]\d|30)
      | \d{4}-02-(?:0[1-9]|1\d|2[0-8])
      | (?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29 )
    (?: (?P<time> [T\ ](?:[01]\d|2[0-3]):[0-5]\d (?::(?:[0-5]\d|60)(?:\.\d+)?)? )
        (?P<offset> Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d )? )?
    """,
    re.VERBOSE | re.ASCII,
)
#: A longer date is valid but rare (a fraction has any number of digits), so it is not kept in the cache.
_LONGEST_CACHED = 40


def last_part(date: str) -> str | None:
    """What a valid date ends with: ``day``, ``time`` or ``offset``; None if the date is not valid."""
    return _known_last_part(date) if len(date) <= _LONGEST_CACHED else _known_last_part.__wrapped__(date)


# Events that wait together often share a date, and a hit costs a tenth of a match.
@lru_cache(maxsize=4_096)
def _known_last_part(date: str) -> str | None:
    match = _DATE.fullmatch(date)
    return match and (match.lastgroup or "day")


def timestamp(moment: datetime, timespec: Literal["auto", "seconds", "milliseconds"] = "seconds") -> str:
    """A moment in UTC, as ISO 8601 with a Z: 2016-09-11T18:04:23Z.

    Raises:
        OverflowError: in UTC, the moment is not within the years 1 to 9999.
    """
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
