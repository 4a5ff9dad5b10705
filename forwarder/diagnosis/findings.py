"""From the facts to what is wrong, the worst first."""

from dataclasses import dataclass


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
    """

    reason: str
    tone: str
    title: str
    sentence: str
    detail: str = ""
    steps: tuple[str, ...] = ()
