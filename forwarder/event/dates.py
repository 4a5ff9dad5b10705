"""Which dates are valid, and how a timestamp is written. Pure."""

import re
from collections.abc import Mapping
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

#: A count of seconds or of parts of them, as people write it.
_COUNT = re.compile(r"\d{9,16}(?:\.\d{1,9})?", re.ASCII)
#: 2000-01-01 and 2100-01-01, in seconds since 1970. No two units give a day between them for the same number.
_FROM_2000, _TO_2100 = 946_684_800, 4_102_444_800
_UNITS: Mapping[str, tuple[int, Literal["seconds", "milliseconds"]]] = {
    "seconds": (1, "seconds"),
    "milliseconds": (1_000, "milliseconds"),
    "microseconds": (1_000_000, "milliseconds"),
}


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


def since_1970(text: object) -> tuple[str, str] | None:
    """If a number counts from 1970, to a day between 2000 and 2100: in which unit, and the moment as a timestamp.

    Example: 1473617063000 counts milliseconds, and is 2016-09-11T18:04:23.000Z.
    """
    if not isinstance(text, str) or not _COUNT.fullmatch(text):
        return None
    number = float(text)
    for unit, (of_a_second, timespec) in _UNITS.items():
        if _FROM_2000 <= number / of_a_second < _TO_2100:
            return unit, timestamp(datetime.fromtimestamp(number / of_a_second, UTC), timespec)
    return None
