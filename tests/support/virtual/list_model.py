"""A model of what the queue's scripts do to one list, in a few dozen lines of Python and in memory.

`tests/property/test_queue_model.py` compares it with the scripts on real servers, so tests on a virtual clock may trust
it.
"""

from collections import deque
from collections.abc import Iterable

from forwarder.errors import RolledBackError
from forwarder.queue.claims import NewLetter, Settlement

#: (sequence number, stamp) of a claim.
Field = tuple[int, int]


class ListModel:
    """What waits, what is claimed by field, what was accepted, and the dead letters with their reasons."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.claimed: dict[Field, bytes] = {}
        self.accepted: list[bytes] = []
        self.letters: list[tuple[bytes, str]] = []
        self.sequence = self.settlement = self.pushed = self.dead_lettered = 0

    def push(self, elements: Iterable[bytes]) -> None:
        """Appends the newest events."""
        before = len(self.waiting)
        self.waiting.extend(elements)
        self.pushed += len(self.waiting) - before

    def claim(self, stamp: int, most: int, most_bytes: int, most_bytes_of_one: int) -> list[bytes | int]:
        """Claims the oldest elements. A length stands for one that is too long."""
        taken: list[bytes | int] = []
        size = 0
        while self.waiting and len(taken) < most and size < most_bytes:
            element = self.waiting.popleft()
            size += len(element)
            self.sequence += 1
            taken.append(_transferred(element, most_bytes_of_one))
            self.claimed[self.sequence, stamp] = element
        return taken

    def claimed_after(self, number: int, most_bytes_of_one: int) -> tuple[int, list[bytes | int]]:
        """Stamp and events of a claim whose reply was lost, for an owner that knows no number above `number`."""
        found = {field: element for field, element in self.claimed.items() if field[0] > number}
        by_number = {n: _transferred(element, most_bytes_of_one) for (n, _), element in found.items()}
        stamp = next((stamp for _, stamp in found), 0)
        return stamp, [by_number[n] for n in range(number + 1, self.sequence + 1)]

    def settle(self, number: int, settlement: Settlement) -> None:
        """Ends claims, once for each number. Raises RolledBackError, changing nothing, if one is not claimed."""
        if number == self.settlement:
            return
        accepted = [(n, stamp) for stamp, numbers in settlement.accepted.items() for n in numbers]
        letters = [(letter.number, letter.stamp) for letter in settlement.letters]
        if number != self.settlement + 1 or not all(field in self.claimed for field in (*accepted, *letters)):
            raise RolledBackError("not what the model acknowledged")
        self.accepted += [self.claimed.pop(field) for field in accepted]
        for letter in settlement.letters:
            self._bury(self.claimed.pop(_field(letter)), letter.reason)
        self.settlement = number

    def _bury(self, element: bytes, reason: str) -> None:
        self.letters.append((element, reason))
        self.dead_lettered += 1


def _field(letter: NewLetter) -> Field:
    return letter.number, letter.stamp


def _transferred(element: bytes, longest: int) -> bytes | int:
    return element if len(element) <= longest else len(element)
