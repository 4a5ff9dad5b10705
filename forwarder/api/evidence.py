"""What different users were answered: one user's answers say nothing about the whole service, three users' do. Pure.

Every conclusion about the whole service rests on this: a halt, an outage, a general slow-down, a learnt body limit.
Example: u-1 is answered 403 a hundred times, u-2 once. That is evidence from two users, and nothing follows for the
others. u-3 is answered 403 too: now the key may lack a permission.
"""

from typing import Generic, TypeVar

T = TypeVar("T")

#: A conclusion about the whole service needs this many different users. With fewer, each may have trouble of its own.
ENOUGH_USERS = 3
#: Where fewer users have events, each of them must have been answered this often instead.
ENOUGH_ANSWERS = 3


def mark(user: str) -> int:
    """Stands for a user in memory: an ID may be as long as an element."""
    return hash(user)


class Evidence(Generic[T]):
    """The latest three different users who were answered in one way, and what each of them was answered last.

    It remembers until :meth:`clear`, which the owner calls when something contradicts the conclusion.
    """

    def __init__(self) -> None:
        self._answers: dict[int, tuple[int, T]] = {}

    def add(self, user: str, what: T) -> None:
        """One more answer to `user`. The user that was heard least recently makes room for a fourth one."""
        answers, _ = self._answers.pop(mark(user), (0, what))
        self._answers[mark(user)] = answers + 1, what
        if len(self._answers) > ENOUGH_USERS:
            del self._answers[next(iter(self._answers))]

    def clear(self) -> None:
        self._answers.clear()

    @property
    def latest(self) -> list[T]:
        """What each of the users was answered last, the longest ago first."""
        return [what for _, what in self._answers.values()]

    @property
    def enough(self) -> bool:
        """Whether three different users were answered so."""
        return len(self._answers) >= ENOUGH_USERS

    def is_of_all(self, users: int) -> bool:
        """Whether all `users` that there are were answered so, three times each."""
        enough = [answers for answers, _ in self._answers.values() if answers >= ENOUGH_ANSWERS]
        return 0 < users <= len(enough) == len(self._answers)
