"""Whether it is the API that answers, and whether the key may do what it must. Pure.

A proxy, a portal, a load balancer or another program at the address answers too, and some of its statuses mean
something else for the API. What a single answer leaves open, the answers to different users decide. Example: 404 to
u-1 may mean that the API does not know u-1. 404 to u-1, u-2 and u-3, at an address that has never accepted anything,
means that the address is wrong.
"""

from collections import defaultdict
from collections.abc import Callable

from forwarder.api.answer import Meaning
from forwarder.api.credentials import Credentials
from forwarder.api.evidence import Evidence, mark
from forwarder.outcome import Halt, HaltReason

#: At most this many users are remembered as suspects of old, the latest ones: about a megabyte.
_MOST_REMEMBERED = 10_000

#: Why each answer cannot be believed, by its meaning: both possible causes, and what to do about the second one.
_UNPROVED = {
    Meaning.MALFORMED: "the body is not a JSON object, as the API's is. Either FORWARDER_API_URL leads to something "
    "that answers {status} to everything (a proxy, a load balancer, a TLS port that gets plain HTTP), or this is the "
    "API and these events are malformed: then run `forwarder resume`",
    Meaning.NO_SUCH_ADDRESS: "either FORWARDER_API_URL or FORWARDER_API_VERSION is wrong, or this is the API and it "
    "does not know these users",
    Meaning.ERASED: "either something at FORWARDER_API_URL blocks this machine, or this is the API and these users "
    "were erased: then run `forwarder resume`",
}


class Doubts:
    """What speaks for and against the API being at the other end. One per process and API address.

    Args:
        credentials: the key that is sent.
        address: fingerprint of the API's address.
        users: how many users have events in this process now.

    Attributes:
        known: whether this address is known to be the API's: it has answered 202, or a person says so.
        answered: whether it has answered 202 since the owner last reset this.
    """

    def __init__(self, credentials: Credentials, address: str, users: Callable[[], int]) -> None:
        self._credentials = credentials
        self.address = address
        self._users = users
        self.known = self.answered = False
        #: Answers that are believed only from an address that is known, by their meaning.
        self._unproved: defaultdict[Meaning, Evidence[None]] = defaultdict(Evidence)
        self._unreadable: Evidence[None] = Evidence()
        self._suspects: Evidence[int] = Evidence()
        #: Users with a suspect answer since the last 202, and those with one before it, oldest first.
        self._new: dict[int, None] = {}
        self._old: dict[int, None] = {}

    def accepted(self) -> None:
        """A 202: this is the API, and the key is good."""
        self.known = self.answered = True
        if self._new:
            self._remember(self._new)
            self._new = {}
        self._unproved.clear()
        self._unreadable.clear()
        self._suspects.clear()

    def reached(self) -> None:
        """An answer that only the API gives, such as a 400: suspect answers are counted anew."""
        self._suspects.clear()

    def suspect(self, user: str, status: int) -> Halt | None:
        """An answer that the API gives nobody, or only to a key without rights. Returns a halt if it gave it to many.

        A user who got one before the last 202 does not count: something between here and the API dislikes this user.
        """
        if mark(user) in self._old:
            self._remember({mark(user): None})
            return None
        self._new[mark(user)] = None
        if len(self._new) > _MOST_REMEMBERED:
            del self._new[next(iter(self._new))]
        self._suspects.add(user, status)
        if not self._suffices(self._suspects):
            return None
        statuses = sorted(set(self._suspects.latest))
        whom = self._whom(self._suspects)
        self._suspects.clear()
        if statuses == [403]:
            return self._without_rights(whom)
        shown = " or ".join(map(str, statuses))
        detail = f"{whom} were answered {shown}, which the API never sends: is FORWARDER_API_URL right?"
        return Halt(HaltReason.MISDIRECTED, detail, self.address)

    def unproved(self, user: str, meaning: Meaning, status: str) -> Halt | None:
        """An answer that cannot be believed, because this address is not known. Returns a halt if many got it."""
        evidence = self._unproved[meaning]
        evidence.add(user, None)
        if not self._suffices(evidence):
            return None
        whom = self._whom(evidence)
        evidence.clear()
        why = _UNPROVED[meaning].format(status=status)
        detail = f"{whom} were answered {status}, and no POST was ever accepted at this address: {why}"
        return Halt(HaltReason.MISDIRECTED, detail, self.address)

    def unreadable(self, user: str, reason: str) -> Halt | None:
        """An answer that cannot be parsed, and why. Returns a halt if many got one since the last 202."""
        self._unreadable.add(user, None)
        if not self._suffices(self._unreadable):
            return None
        whom = self._whom(self._unreadable)
        self._unreadable.clear()
        detail = (
            f"{whom} got an answer that cannot be parsed ({reason}), and no POST was accepted in between: "
            "is FORWARDER_API_URL right, and is this the API?"
        )
        return Halt(HaltReason.MISDIRECTED, detail, self.address)

    def _without_rights(self, whom: str) -> Halt | None:
        if self._credentials.reload():
            return None
        detail = f"{whom} were answered 403: the API key lacks the permission"
        return Halt(HaltReason.CREDENTIALS, detail, self._credentials.fingerprint)

    def _suffices(self, evidence: Evidence[None] | Evidence[int]) -> bool:
        return evidence.enough or (not self.known and evidence.is_of_all(self._users()))

    @staticmethod
    def _whom(evidence: Evidence[None] | Evidence[int]) -> str:
        if evidence.enough:
            return "three different users"
        return "all users with events here, three times each,"

    def _remember(self, users: dict[int, None]) -> None:
        for user in users:
            self._old.pop(user, None)
            self._old[user] = None
        while len(self._old) > _MOST_REMEMBERED:
            del self._old[next(iter(self._old))]
