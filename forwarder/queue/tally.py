"""What a worker reports of its decisions, and what the fleet's latest decisions add up to. Values. Pure."""

from dataclasses import dataclass

#: A report names this many users: as many as the evidence for a halt needs.
MOST_USERS = 3
#: Characters of a reason.
_REASON = 200


@dataclass(frozen=True, slots=True)
class Report:
    """One worker's decisions since its report before, or the latest of them.

    Attributes:
        number: which report of the worker and window this is, so that a repeated one counts once.
        users: up to three users who were refused most often, as digests, and how often each was.
        reason: the most frequent reason of the refusals; it quotes nothing of an event.
        times: how often that reason came.
    """

    number: int
    decisions: int = 0
    refusals: int = 0
    users: tuple[tuple[str, int], ...] = ()
    reason: str = ""
    times: int = 0

    def entry(self, worker: str) -> str:
        """The text that ``tally.lua`` keeps and parses."""
        users = ",".join(f"{user}:{times}" for user, times in self.users[:MOST_USERS]) or "-"
        counts = f"{self.decisions} {self.refusals} {self.times}"
        return f"{worker} {self.number} {counts} {users} {self.reason[:_REASON]}"


@dataclass(frozen=True, slots=True)
class Tally:
    """The newest decisions of the whole fleet: how many, how many refusals, of how many users at least, and why."""

    decisions: int
    refusals: int
    users: int
    reason: str
