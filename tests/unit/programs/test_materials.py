"""The bill of materials is compared with what is needed and with the pins."""

import json
from typing import Any

import forwarder
from tests.programs.materials import SHIPPED, conditional, direct, is_out_of_date, normal, objections, pins

REQUIREMENTS = SHIPPED.parent / "requirements.txt"
NEEDED = {"aiohttp", "redis", "tenacity", "prometheus-client"}


def bill(**versions: str) -> dict[str, Any]:
    return {"components": [{"name": name, "version": version} for name, version in versions.items()]}


def test_what_the_service_needs_is_pinned() -> None:
    assert direct() >= NEEDED
    assert direct() <= pins().keys()


def test_a_bill_that_lacks_what_is_needed_or_has_another_version_is_objected_to() -> None:
    pinned = {"redis": "8.1.0", "prometheus-client": "1"}
    sound = bill(redis="8.1.0", Prometheus_Client="1", forwarder="0.2.0")
    assert objections(sound, pinned, {"redis", "prometheus-client"}) == []
    assert objections(bill(redis="8.1.0"), pinned, {"redis", "prometheus-client"}) == ["prometheus-client is not in it"]
    assert objections(bill(redis="8.0.9"), pinned, {"redis"}) == ["it has redis 8.0.9, and the pin is 8.1.0"]
    assert objections(bill(leftpad="1"), pinned, set()) == ["it has leftpad 1, and the pin is none"]


def test_the_bill_that_goes_into_the_image_has_what_the_image_installs() -> None:
    """`python -m tests.programs.materials` writes it anew; of a new release only the version changes."""
    shipped = json.loads(SHIPPED.read_text())
    assert objections(shipped, pins(), direct()) == []
    installed = {line.split("==")[0] for line in REQUIREMENTS.read_text().splitlines() if line[0] not in "# "}
    listed = {normal(each["name"]) for each in shipped["components"]}
    assert installed - conditional() == listed
    component = shipped["metadata"]["component"]
    assert (component["name"], component["version"]) == ("forwarder", forwarder.__version__)


def test_a_bill_with_other_projects_is_out_of_date_unless_only_some_pythons_need_them() -> None:
    assert "async-timeout" in conditional()
    shipped = bill(redis="8.1.0")
    assert not is_out_of_date(shipped, bill(**{"redis": "8.1.0", "async-timeout": "5"}))
    assert is_out_of_date(shipped, bill(redis="8.1.1"))
    assert is_out_of_date(shipped, bill(redis="8.1.0", rich="15"))
