"""The bill of materials is compared with what is needed and with the pins."""

from tests.programs.materials import direct, objections, pins

NEEDED = {"aiohttp", "redis", "tenacity", "prometheus-client"}


def bill(**versions: str) -> dict[str, object]:
    return {"components": [{"name": name, "version": version} for name, version in versions.items()]}


def test_what_the_service_needs_is_pinned() -> None:
    assert direct() >= NEEDED
    assert direct() <= pins().keys()


def test_a_bill_that_lacks_what_is_needed_or_has_another_version_is_objected_to() -> None:
    pinned = {"redis": "8.1.0", "prometheus-client": "1"}
    sound = bill(redis="8.1.0", Prometheus_Client="1", forwarder="0.1.0")
    assert objections(sound, pinned, {"redis", "prometheus-client"}) == []
    assert objections(bill(redis="8.1.0"), pinned, {"redis", "prometheus-client"}) == ["prometheus-client is not in it"]
    assert objections(bill(redis="8.0.9"), pinned, {"redis"}) == ["it has redis 8.0.9, and the pin is 8.1.0"]
    assert objections(bill(leftpad="1"), pinned, set()) == ["it has leftpad 1, and the pin is none"]
