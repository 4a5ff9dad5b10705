"""The script that is published for producers in any language."""

from importlib.resources import files

from tests.support.documents import ROOT


def test_the_published_script_is_the_one_that_is_used() -> None:
    used = (files("forwarder.queue") / "lua" / "push_once.lua").read_bytes()
    assert (ROOT / "deploy/producers/push_once.lua").read_bytes() == used
