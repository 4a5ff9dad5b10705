"""What a model is explored with: its configurations, and its mutations, each without one guard of the code."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.model import spin
from tests.model.spin import Result, Search

#: What the models call a broken property. In `claims.pml` and `mover.pml` these are the names in assertions.
PROPERTIES = {
    "no_loss": "nothing is lost",
    "in_order": "order per user",
    "no_duplicate": "no duplicate without a cause",
    "no_double": "no event in two places",
    "counted": "the sums of the audit",
    "all_decided": "everything is decided in the end",
    "liveness": "everything is decided in the end",
    "alone": "nobody sends without the lease",
    "in_its_list": "each event is in its user's list in the end",
    "clean": "nothing of the move is left in the end",
    "succeeded": "the last run succeeds",
}


@dataclass(frozen=True)
class Configuration:
    """Bounds within which everything is explored.

    Attributes:
        model: the file.
        what: for the table.
        large: too large for CI.
        search: how it is explored.
    """

    model: str
    what: str
    bounds: Mapping[str, int]
    large: bool = False
    search: Search = Search.ALL


@dataclass(frozen=True)
class Guard:
    """One guard, and what the checker must find without it.

    Attributes:
        model: the file.
        what: the guard.
        removed: the macros that remove it.
        bounds: within which it is looked for.
        breaks: the property that its shortest counter-example breaks; empty if nothing is broken within the bounds.
        purpose: what the guard is for, if nothing is broken.
        story: what the counter-example shows, if the page shows it.
        quick: whether the counter-example is found in a few seconds.
    """

    model: str
    what: str
    removed: Mapping[str, int]
    bounds: Mapping[str, int]
    breaks: str = ""
    purpose: str = ""
    story: str = ""
    quick: bool = True


def explore(configuration: Configuration, *, megabytes: int = 1_000, seconds: float = 60.0) -> Result:
    """Everything within the bounds. The limits are those of CI."""
    bounds, search = configuration.bounds, configuration.search
    return spin.verify(configuration.model, bounds, search=search, megabytes=megabytes, seconds=seconds)


def without(guard: Guard, *, megabytes: int = 1_000, seconds: float = 60.0) -> Result:
    """The shortest counter-example without a guard, or a run without an end if that is what is expected."""
    endless = guard.breaks == "liveness"
    search = Search.ENDLESS if endless else Search.SHORTEST
    bounds = {**guard.bounds, **guard.removed}
    return spin.verify(guard.model, bounds, search=search, megabytes=megabytes, seconds=seconds)
