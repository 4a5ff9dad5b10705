"""The page about Redis has every key and only URLs that work. tests/integration/queue/test_acl.py tests its rights."""

import re
from dataclasses import fields

from forwarder.queue.keys import Keys, QueueKeys, marker
from forwarder.queue.wire.url import check
from tests.support.documents import REDIS, code, table_headed

PAGE = REDIS.read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    return [row[0] for row in table_headed(PAGE, f"{heading} |")]


def test_every_key_stands_there_and_no_other() -> None:
    ours = {getattr(keys, each.name) for keys in (Keys("events"), QueueKeys("events")) for each in fields(keys)}
    ours = {key for key in ours if isinstance(key, str)}
    ours |= {marker("events", key) for key in ("KEY", "file:HASH", "file:HASH:lists")}
    assert {key for cell in first_cells("key") for key in code(cell)} == ours


def test_every_form_of_a_url_is_accepted() -> None:
    forms = [form for cell in first_cells("form") for form in code(cell)]
    assert len(forms) == 7
    for number, form in enumerate(forms):
        # "…" stands for the rest of the form above it.
        rest = forms[number - 1].partition("://")[2]
        check(re.sub(r"\[.*?\]", "", form.replace("…", rest)).replace("port", "1"))
