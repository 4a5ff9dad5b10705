"""How fast the backlog changes, and when it will be gone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trend:
    """What happened to a queue lately, per second. None is unknown.

    Attributes:
        accepted: events per second that the API accepted.
        pushed: events per second that were pushed.
        refused: events per second that became dead letters.
        seconds: the time that this is about.
        letters: how many events became dead letters in the last 15 minutes, or since the first count after that.
        to_go: seconds until the backlog is gone if all goes on like this; None if it does not go down.
    """

    accepted: float | None = None
    pushed: float | None = None
    refused: float | None = None
    seconds: float = 0.0
    letters: int = 0
    to_go: float | None = None
