"""What every page mentions exists: links, headings, settings, metrics, commands, programs and tests."""

import re
from pathlib import Path

import pytest

from forwarder import config
from tests.support.commands import commands
from tests.support.documents import PAGES, REFERENCE, ROOT, between_marks, cells, code, fenced

SETTINGS = {name for name, _, _ in config.documented()} | config.NOT_SETTINGS
METRICS = {
    row[0].strip("`").partition("{")[0]
    for row in cells(between_marks(REFERENCE.read_text(encoding="utf-8"), "metrics"))
}
COMMANDS = set(commands())
#: Kubernetes sets this variable where a Service is called `forwarder`, and the page warns of it.
NOT_OURS = {"FORWARDER_SERVICE_HOST"}


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The names that a link can lead to, as GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.*)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def test_every_page_is_among_those_that_are_checked() -> None:
    folders = [ROOT / name for name in ("deploy", "forwarder", "tests")]
    found = {*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md"))}
    assert found == set(PAGES.values())


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    here = PAGES[page]
    text = prose(here.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    pictures = re.findall(r"\bsrc(?:set)?=\"([^\"]+)\"", text)
    for target in links + pictures:
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = here.parent / path if path else here
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_metric_command_and_file_in_the_text_exists(page: str) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    assert set(re.findall(r"(?<!\w)FORWARDER_[A-Z_]*[A-Z]", text)) <= SETTINGS | NOT_OURS
    assert set(re.findall(r"`(forwarder_[a-z_]+)(?=[`{ ])", text)) <= METRICS
    for module in re.findall(r"python -m (tests[\w.]+)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for path_of_a_test in re.findall(r"\btests/\w+/[\w/]+\.py", text):
        assert (ROOT / path_of_a_test).exists(), path_of_a_test
    commands_in_text = "\n".join([*fenced(text, "sh"), *code(prose(text))])
    for command in re.findall(
        r"(?:^|&& |/|exec forwarder )(forwarder [a-z]+(?: [a-z]+)?)", commands_in_text, re.MULTILINE
    ):
        assert command in COMMANDS or command.rpartition(" ")[0] in COMMANDS, command
