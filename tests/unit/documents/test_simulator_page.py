"""Every fault that can be scripted is shown with an example that works, on the page and by --help."""

import json
import re

import pytest

from forwarder.cli.simulate import EXAMPLES
from forwarder.simulator import Answer, Faults, Outage, RandomAnswer, Refusal, UserAnswer
from tests.support.documents import ROOT, cells

PAGE = (ROOT / "deploy" / "simulator.md").read_text(encoding="utf-8")
SHOWN = [row[0].strip("`") for row in cells(PAGE[PAGE.index("| example") :].partition("\n\n")[0])]
HELP = re.findall(r"\{.*\}", EXAMPLES)


@pytest.mark.parametrize("example", [*SHOWN, *HELP])
def test_every_example_is_valid(example: str) -> None:
    assert Faults.model_validate_json(example) != Faults()


def test_the_page_shows_every_member() -> None:
    text = "".join(SHOWN)
    for part in (Faults, Outage, Answer, RandomAnswer, Refusal, UserAnswer):
        for name, field in part.model_fields.items():
            assert f'"{field.alias or name}":' in text, name


def test_help_shows_the_usual_ones_and_fits_into_a_narrow_terminal() -> None:
    members = {name for example in HELP for name in json.loads(example)}
    assert members >= {"statuses", "users", "refuse", "outage", "hang_rate", "latency", "reset_after_rate", "max_rate"}
    assert max(map(len, EXAMPLES.splitlines())) <= 58, "typer indents it"
