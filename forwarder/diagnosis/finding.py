"""One thing that a person should know."""

from dataclasses import dataclass

#: What stands behind a title in the runbook, for what is wrong; what is well needs no runbook.
_HALTS = frozenset({"credentials", "misdirected", "dead_letter_brake", "halted", "paused"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know.

    Attributes:
        reason: a word for programs, from a closed set: the word in /readyz, the log, and the links to the runbook.
        tone: good; calm: just wait; warn: the cause is elsewhere, or something will go wrong; bad: act now.
        title: a few words, without a changing number.
        sentence: what that means, without a changing number: screen readers read both when they change.
        detail: the numbers.
        steps: what to do, the right action first, with `commands` between backticks. Empty if there is nothing to do.
        stops: whether nothing is delivered meanwhile.
    """

    reason: str
    tone: str
    title: str
    sentence: str
    detail: str = ""
    steps: tuple[str, ...] = ()
    stops: bool = False

    @property
    def is_halt(self) -> bool:
        """Whether the service waits for a person."""
        return self.reason in _HALTS

    @property
    def anchor(self) -> str | None:
        """The section of the runbook about it; None if there is nothing to do."""
        return self.reason.replace("_", "-") if self.tone in ("warn", "bad") else None

    @property
    def remedy(self) -> str:
        """What to do, in one line."""
        return " ".join(step if step.endswith(".") else f"{step}." for step in self.steps)
