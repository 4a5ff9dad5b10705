"""The table in deploy/status-page.md: what each place says in each scenario. Pure, but for the document itself."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.scenarios.playing import Played

DOCUMENT = Path(__file__).parents[3] / "deploy" / "status-page.md"
_BEGIN, _END = "<!-- scenarios -->\n", "<!-- /scenarios -->\n"
_PICTURES = "../tests/programs/screens/scenarios"
_HEAD = """| scenario | `forwarder status` says | the page says, and first to do | the log says | after |
|---|---|---|---|--:|
"""


def row(played: Played, key_file: str) -> str:
    """What was said in one scenario. The file of the key has the name that it has elsewhere in the documents."""
    scenario, look = played.scenario, played.during
    status = " ".join(filter(None, (f"**{look.status.title}.**", look.status.detail)))
    title, step = (look.page.title, "".join(look.page.steps[:1])) if look.page.title else look.alone
    page = f"**{title}.** {_cell(step)}".rstrip()
    log = _line(look.lines, look.log.text) if look.log.text else "nothing at `warning` or above"
    picture = f"[{scenario.title}]({_PICTURES}/{scenario.name}.png)"
    cells = [picture, _cell(status), page, _cell(log), f"{math.ceil(look.seconds)} s"]
    return f"| {' | '.join(cells)} |\n".replace(key_file, "/run/secrets/api-key")


def _line(lines: Iterable[Mapping[str, Any]], event: str) -> str:
    """The line that says it, with its level, and its reason if that is not in its words."""
    line = next(each for each in lines if each["event"] == event)
    return f"{line['level']}: {event}" + (f", reason {line['reason']}" if event == "halted" else "")


def _cell(text: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", text).replace("|", "\\|")


def write(rows: Iterable[str]) -> None:
    """Puts the table into the document."""
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    DOCUMENT.write_text(f"{before}{_BEGIN}{_HEAD}{''.join(rows)}{_END}{after}")


def rows() -> list[list[str]]:
    """The cells of the table in the document."""
    inside = DOCUMENT.read_text().partition(_BEGIN)[2].partition(_END)[0].removeprefix(_HEAD)
    return [re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |")) for line in inside.splitlines()]
