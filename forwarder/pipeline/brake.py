"""The dead-letter brake, as far as one worker decides: halts when most of what comes is refused. Pure.

A flood of refusals means that a deploy is broken. Without the brake it would empty the queue into the dead letters.
The brake belongs to the whole fleet, whose workers suspect alone and decide together:

- While little of what a worker decides is refused, a refusal becomes a dead letter at once. Otherwise it waits: it
  stays claimed. A batch that is refused as a whole always waits.
- With its heartbeat, a worker reports what it has decided, and learns what the newest decisions of the fleet add up to.
  Either that is a reason to halt, and what waits stays claimed. Or the fleet is well, and after two such verdicts what
  waits becomes dead letters.

Example with a window of 100 and 8 workers, when everything begins to be refused: each worker writes at most five
letters before it suspects, 40 in all. The other refusals wait. Within two heartbeats the fleet has decided a hundred
times, and the next worker that reports halts it.

What counts are decisions, not events: an accepted POST, one refused event, or a whole batch that was refused at once.
Elements that are not valid events have a window of their own.
"""

from collections import Counter, deque
from hashlib import blake2b

from forwarder.outcome import Halt, HaltReason
from forwarder.queue.tally import MOST_USERS, Report, Tally

#: The fleet halts when 4 of 5 decisions are refusals: 80 %, in whole numbers, so that the limit is exact.
_SHARE = (4, 5)
#: A worker judges itself by at least this many decisions. With 64 workers and a window of 100, its own part would be 1.
_LEAST_OWN = 10
#: What waits becomes dead letters after this many verdicts that the fleet is well.
_PATIENCE = 2
#: The same while most of what this worker itself decides is refused: others may not have met the cause yet.
_PATIENCE_OF_A_SUSPECT = 5
#: What waits becomes dead letters after this many verdicts of any kind without a halt, so that nothing waits for ever.
_LONGEST_PATIENCE = 10
#: A suspicion is over after this many heartbeats without a decision: a minute, in a fleet of up to a hundred workers.
_QUIET = 60


class Window:
    """One worker's side of one window of the fleet's decisions.

    Args:
        size: how many decisions of the fleet a verdict is about. 0 switches the brake off.
        least_users: a halt needs refusals of this many different users.
        text: why the service halts, with the fields of :class:`Tally` in braces.
    """

    def __init__(self, size: int, *, least_users: int, text: str) -> None:
        self.size = size
        self._least_users = least_users
        self._text = text
        self._reports = 0
        self._letters = max(1, size)
        self._own: deque[bool] = deque(maxlen=max(_LEAST_OWN, size))
        #: The latest decisions that were not reported: None, or the digest of the user who was refused, and why. If
        #: there are more than a window, the older ones no longer matter.
        self._fresh: deque[tuple[str, str] | None] = deque(maxlen=max(1, size))
        self.forget()

    def share(self, workers: int) -> None:
        """How many workers decide. Together they write at most a window of letters between two good verdicts."""
        self._letters = max(1, self.size // workers)
        own = max(_LEAST_OWN, self._letters)
        if own != self._own.maxlen:
            self._own = deque(self._own, maxlen=own)
            self._own_refusals = sum(self._own)

    def forget(self) -> None:
        """Begins anew, after a person has looked at what was refused."""
        #: Whether a refusal waits for a verdict of the fleet.
        self.waiting = False
        self._own.clear()
        self._fresh.clear()
        self._own_refusals = self._written = self._age = self._well = self._quiet = 0
        #: Of the fleet's newest decisions, how many were refusals, and how many decisions there were, if at least half
        #: were refusals; otherwise None.
        self.suspicion: tuple[int, int] | None = None
        self._sent: Report | None = None

    def passed(self, decisions: int = 1) -> None:
        """This many decisions were good."""
        count = min(decisions, max(_LEAST_OWN, self.size))
        self._fresh.extend([None] * count)
        if self._own_refusals:
            for _ in range(count):
                self._remember(refused=False)
        else:  # no refusal can leave: nearly always so, and a hundred times as fast
            self._own.extend([False] * count)

    def _remember(self, *, refused: bool) -> None:
        if len(self._own) == self._own.maxlen:
            self._own_refusals -= self._own[0]
        self._own.append(refused)
        self._own_refusals += refused

    def refused(self, user: str, reason: str, *, whole: bool = False) -> bool:
        """One decision was a refusal. Returns True if what was refused must wait for a verdict.

        Args:
            user: whose events were refused; empty if no user is known.
            reason: why, without anything of the event.
            whole: whether a batch of several events was refused at once.
        """
        if not self.size:
            return False
        self._fresh.append((_digest(user), reason))
        self._remember(refused=True)
        if whole or self._suspicious or self._written >= self._letters:
            if not self.waiting:
                self.waiting = True
                self._age = self._well = 0
            return True
        self._written += 1
        return False

    @property
    def _suspicious(self) -> bool:
        """Whether at least half of what this worker decided lately was refused. What never came counts as good."""
        return 2 * self._own_refusals >= (self._own.maxlen or 0)

    def report(self) -> Report | None:
        """What to report with this heartbeat; None if nothing was decided and nothing waits.

        The same report again, until :meth:`judge` is called: its reply may have been lost.
        """
        if self._sent is None and self.size and (self._fresh or self.waiting):
            self._reports += 1
            refusals = [each for each in self._fresh if each is not None]
            users = Counter([user for user, _ in refusals if user]).most_common(MOST_USERS)
            reason, times = next(iter(Counter([reason for _, reason in refusals]).most_common(1)), ("", 0))
            self._sent = Report(self._reports, len(self._fresh), len(refusals), tuple(users), reason, times)
            self._fresh.clear()
        self._quiet = 0 if self._sent else self._quiet + 1
        if self._quiet >= _QUIET:
            self.suspicion = None
        return self._sent

    def judge(self, tally: Tally) -> Halt | None:
        """The fleet's verdict, in reply to a report: the halt, or None. Then :attr:`waiting` may be over."""
        self._sent = None
        full = tally.decisions >= self.size and tally.users >= self._least_users
        suspect = full and tally.refusals * 2 >= tally.decisions
        self.suspicion = (tally.refusals, tally.decisions) if suspect else None
        if full and tally.refusals * _SHARE[1] >= tally.decisions * _SHARE[0]:
            detail = self._text.format(refusals=tally.refusals, decisions=tally.decisions, reason=tally.reason)
            return Halt(HaltReason.DEAD_LETTER_BRAKE, detail)
        self._age += 1
        if not suspect:
            self._well += 1
            self._written = 0
        patience = _PATIENCE_OF_A_SUSPECT if self._suspicious else _PATIENCE
        if self._well >= patience or self._age >= _LONGEST_PATIENCE:
            self.waiting = False
        return None


def _digest(user: str) -> str:
    """Tells users apart without naming them; empty for no user."""
    return user and blake2b(user.encode(), digest_size=6).hexdigest()


class Brake:
    """Both windows of one process. They are never mixed: elements cost nothing, and would outnumber answers.

    Args:
        size: how many decisions each window is about. 0 switches the brake off.
    """

    def __init__(self, size: int) -> None:
        self.answers = Window(
            size,
            least_users=MOST_USERS,
            text="{refusals} of the last {decisions} answers refused what was sent; the most frequent reason: {reason}",
        )
        self.elements = Window(
            size,
            least_users=0,
            text="{refusals} of the last {decisions} decoded elements were invalid; the most frequent reason: {reason}",
        )
        self.windows = (self.answers, self.elements)

    @property
    def suspicion(self) -> tuple[int, int] | None:
        """Refusals and decisions of the window with the larger part of refusals, if that is at least half."""
        found = [window.suspicion for window in self.windows if window.suspicion is not None]
        return max(found, key=lambda each: each[0] / each[1], default=None)

    def share(self, workers: int) -> None:
        """How many workers decide."""
        for window in self.windows:
            window.share(workers)

    def forget(self) -> None:
        """Begins both windows anew, after a person has looked at what was refused."""
        for window in self.windows:
            window.forget()
