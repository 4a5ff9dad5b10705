"""The runbook as the status page links to it."""

import re

from forwarder.admin import runbook

SHOWN = runbook.page()


def test_it_has_the_words_of_the_document_and_its_commands() -> None:
    assert "<h1" in SHOWN
    assert "<code>forwarder status</code>" in SHOWN
    assert "<table>" in SHOWN


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r'href="([^"]+)"', SHOWN)
    anchors = {*re.findall(r'id="([^"]+)"', SHOWN)}
    assert {link for link in links if not link.startswith("#")} <= {"./", "data:,", "page.css"} | {
        link for link in links if link.startswith("https:")
    }
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    assert "<img" not in SHOWN
