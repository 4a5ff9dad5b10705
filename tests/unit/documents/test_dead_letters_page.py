"""What the page says of elements that are not events is what `dead show` says."""

import json

import pytest

from forwarder.dead_letters.anomalies import named
from forwarder.dead_letters.explain import explain
from forwarder.errors import InvalidElementError
from forwarder.event import decode
from tests.support.documents import ROOT, table_headed

PAGE = (ROOT / "deploy" / "dead-letters.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("element", "said"), [row[:2] for row in table_headed(PAGE, "element | what it says")])
def test_an_element_is_explained_as_the_page_shows(element: str, said: str) -> None:
    content = element.strip("`").encode()
    assert json.loads(content)
    with pytest.raises(InvalidElementError) as raised:
        decode(content, max_bytes=1_000)
    explained = explain("invalid", "", str(raised.value), content, label=named)
    for part in said.replace("\\|", "|").replace("`jq", "jq").replace("push`", "push").rstrip(".").split(". "):
        assert part.replace("The date is", "The member `date` is") in explained
