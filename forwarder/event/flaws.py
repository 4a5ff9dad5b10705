"""What makes an element invalid: a value, its text in a dead letter's ``detail``, and the way back. Pure.

The text says what is wrong, found and allowed. It quotes nothing of the element but a misspelt name of a member::

    user_id: missing
    user_id: missing; is userId meant?
    name: must be a non-empty string, encodable as UTF-8
    too long: 70000 bytes, at most 65536 are allowed
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Self

import msgspec

from forwarder.event.dates import DATE_FORM
from forwarder.event.misspelt import meant

#: What each member must be.
RULES = {
    "user_id": "a non-empty string, encodable as UTF-8 and other than . and .., or an integer",
    "name": "a non-empty string, encodable as UTF-8",
    "date": f"a string of the form {DATE_FORM}, and a day and time that exist",
}

#: What jq makes of an array: each of its elements.
EACH = "'.[]'"
#: Makes one line of each event in an array, as `forwarder push` takes them.
SPLIT = f"jq -c {EACH} FILE | forwarder push"
#: The same for `forwarder push --once`, which needs a file.
SPLIT_TO_FILE = f"jq -c {EACH} FILE >NEW.ndjson && forwarder push --once NEW.ndjson"


class Problem(StrEnum):
    """What can be wrong. Each value is the text of its flaws, with the fields of :class:`Flaw` in braces."""

    MISSING = "missing"
    MISSPELT = "missing; is {found} meant?"
    WRONG = "must be {allowed}"
    NOT_AN_OBJECT = "not an object"
    NOT_JSON = "not JSON: {found}"
    NOT_UTF8 = "not UTF-8 at byte {found}"
    TOO_DEEP = "nested too deep: {found} levels, at most {allowed} are allowed"
    TOO_MANY_MEMBERS = "too many members: {found}, at most {allowed} are allowed"
    TOO_LONG = "too long: {found} bytes, at most {allowed} are allowed"
    TOO_LONG_DATED = "too long: {found} bytes once it is dated and sent, at most {allowed} are allowed"


class Flaw(msgspec.Struct, frozen=True):
    """The first thing that is wrong with an element; ``member`` is empty if it is the element as a whole."""

    problem: Problem
    member: str = ""
    found: str = ""
    allowed: str = ""

    def __str__(self) -> str:
        text = self.problem.format(found=self.found, allowed=self.allowed)
        return f"{self.member}: {text}" if self.member else text

    @classmethod
    def wrong(cls, member: str) -> Self:
        """The flaw of a member that is there, but is not what it must be."""
        return cls(Problem.WRONG, member, allowed=RULES[member])

    @classmethod
    def missing(cls, member: str, names: Iterable[str]) -> Self:
        """The flaw of a member that is not among `names`, those of the element."""
        name = meant(member, names)
        return cls(Problem.MISSING, member) if name is None else cls(Problem.MISSPELT, member, found=name.strip())

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The flaw with this text; None if the text does not come from one. Earlier spellings are read too."""
        for problem in Problem:
            if match := _form(problem).fullmatch(text):
                return cls(problem, **match.groupdict())
        if match := re.fullmatch(_EARLIER_TOO_LONG, text):
            return cls(Problem.TOO_LONG, found=match[1], allowed=match[2])
        member, colon, _ = text.partition(": ")
        return cls.wrong(member) if colon and member in RULES else None


_OF_A_MEMBER = frozenset({Problem.MISSING, Problem.MISSPELT, Problem.WRONG})
_COUNTED = frozenset(
    {Problem.NOT_UTF8, Problem.TOO_DEEP, Problem.TOO_MANY_MEMBERS, Problem.TOO_LONG, Problem.TOO_LONG_DATED}
)
# For example: 70000 bytes: at most 65536 are allowed; element: 70000 bytes, more than max_event_bytes (65536).
_EARLIER_TOO_LONG = r"(?:element: )?([0-9]{1,20}) bytes(?:: at most |\D+\()([0-9]{1,20})\D+"


# What msgspec says of bytes that are not JSON. Anything else was written by somebody else, and may be user data.
_NO_JSON = r"""input data was truncated|[a-z0-9 ,:'"\]}-]{1,60} \(byte [0-9]{1,20}\)"""
_FOUND = {Problem.NOT_JSON: _NO_JSON, Problem.MISSPELT: "[ -~]{1,16}"}


# Compiled at its first use: a producer never reads a text back, and imports this module.
@cache
def _form(problem: Problem) -> re.Pattern[str]:
    value = "[0-9]{1,20}" if problem in _COUNTED else _FOUND.get(problem, ".*")
    text = re.sub(r"\\{(\w+)\\}", rf"(?P<\1>{value})", re.escape(problem))
    member = f"(?P<member>{'|'.join(RULES)}): " if problem in _OF_A_MEMBER else ""
    return re.compile(member + text, re.DOTALL)
