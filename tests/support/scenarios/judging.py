"""What is wrong with what the places said. Pure."""

import json
from collections.abc import Iterator

from tests.support.scenarios.catalogue import Scenario
from tests.support.scenarios.sightings import Look

#: Seconds within which every place must say what has happened.
WITHIN = 15.0
_HEALTHY = frozenset({"idle", "delivering", "standing_by"})


def problems(scenario: Scenario, look: Look, within: float = WITHIN) -> Iterator[str]:
    """What is wrong while the scenario goes on, if each place has `within` seconds to say it."""
    for place in ("status", "page"):
        said = look.places[place]
        if place == "page" and not said.reasons:
            continue
        if said.after is None or said.after > within:
            yield f"{place}: {scenario.reason!r} is not first within {within:g} s, but {said.reasons} ({said.after})"
        elif scenario.step not in next(iter(said.steps), ""):
            yield f"{place}: the first step is {said.steps[:1]}, without {scenario.step!r}"
        if scenario.reason in _HEALTHY and (bad := {*said.tones} & {"warn", "bad"}):
            yield f"{place}: all is well, but there is {bad}: {said.reasons}"
    status, page = look.status, look.page
    if page.title and (status.title, status.sentence) != (page.title, page.sentence):
        yield f"status says {status.title!r}, {status.sentence!r}, the page {page.title!r}, {page.sentence!r}"
    if look.readyz.text and json.loads(look.readyz.text)["ready"] is not scenario.ready:
        yield f"/readyz: {look.readyz.text}"
    yield from _log(scenario, look)


def _log(scenario: Scenario, look: Look) -> Iterator[str]:
    wanted = 1 if scenario.line and look.page.reasons else 0
    lines = [each for each in look.lines if not scenario.first or each["event"] != scenario.first]
    if len(lines) != wanted or (wanted and not look.log.text):
        yield f"log: {wanted} line at warning or above about {scenario.line!r}, but there are {lines}"


def problems_after(scenario: Scenario, look: Look) -> Iterator[str]:
    """What is wrong when it has ended."""
    for place in ("status", "page"):
        said = look.places[place]
        if said.after is None:
            yield f"{place}: after the end {said.reasons} instead of {sorted(scenario.after)}"
        elif bad := {*said.tones} & {"warn", "bad"}:
            yield f"{place}: after the end there is {bad}: {said.reasons}"
    if look.readyz.text and not json.loads(look.readyz.text)["ready"]:
        yield f"/readyz after the end: {look.readyz.text}"
    if lines := [each for each in look.lines if not scenario.over or scenario.over not in each["event"]]:
        yield f"log: after the end there are {lines}"
