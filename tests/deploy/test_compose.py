"""What the files under deploy/ and docker-compose.yml promise to whoever runs them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PIN = re.compile(r"[a-z0-9-]+==[0-9][0-9A-Za-z.]*( ; .+)?")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def last_stage() -> dict[str, str]:
    found = instructions()
    start = max(position for position, (word, _) in enumerate(found) if word == "FROM")
    return dict(found[start:])


def test_every_image_is_pinned_by_a_tag_and_names_no_registry() -> None:
    images = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    images += [service["image"] for service in SERVICES.values()]
    for image in images:
        name, _, tag = image.partition(":")
        assert tag not in ("", "latest"), image
        assert "." not in name, image


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    user, _, group = last_stage()["USER"].partition(":")
    assert int(user) >= 1000
    assert int(group) >= 1000


def test_the_image_runs_the_forwarder_and_stops_on_sigterm() -> None:
    stage = last_stage()
    assert json.loads(stage["ENTRYPOINT"]) == ["forwarder"]  # exec form: a shell would swallow the signal
    assert json.loads(stage["CMD"]) == ["run"]
    assert stage["STOPSIGNAL"] == "SIGTERM"
    assert "PYTHONUNBUFFERED=1" in stage["ENV"]


def test_the_image_is_healthy_while_it_is_alive_even_when_it_is_not_ready() -> None:
    stage = last_stage()
    assert stage["EXPOSE"] == "9464"
    assert "http://127.0.0.1:9464/livez" in stage["HEALTHCHECK"]


def test_the_last_stage_installs_nothing() -> None:
    assert "RUN" not in last_stage()


def test_everything_the_image_is_built_from_passes_dockerignore() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    assert {source for sources in copied for source in sources} == allowed
    for source in allowed:
        assert (ROOT / source).exists(), source


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_shut_in(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    assert not str(service.get("user", "unset")).startswith(("0", "root"))


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_redis_keeps_events_on_disk_and_never_evicts_them() -> None:
    redis = SERVICES["redis"]
    command = redis["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert redis["volumes"] == ["redis-data:/data"]
    assert "redis-data" in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"]


def test_the_forwarder_waits_for_a_redis_that_answers() -> None:
    assert SERVICES["forwarder"]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert "ping" in SERVICES["redis"]["healthcheck"]["test"][1]


def test_the_stand_in_is_only_the_default_api() -> None:
    environment = SERVICES["forwarder"]["environment"]
    assert environment["FORWARDER_API_URL"] == "${FORWARDER_API_URL:-http://api:8080}"
    assert environment["FORWARDER_API_KEY"] == "${FORWARDER_API_KEY:-demo-key}"
    command = SERVICES["api"]["command"]
    assert command[0] == "simulate"
    assert command[command.index("--api-key") + 1] == "demo-key"
    assert command[command.index("--port") + 1] == "8080"
    assert "api" not in SERVICES["forwarder"]["depends_on"], "the real API needs no stand-in"


def test_a_stop_leaves_time_to_settle_what_is_in_flight() -> None:
    shutdown_timeout = 20  # FORWARDER_SHUTDOWN_TIMEOUT's default, in seconds
    assert int(SERVICES["forwarder"]["stop_grace_period"].removesuffix("s")) > shutdown_timeout


def test_constraints_are_plain_pins_of_other_projects() -> None:
    lines = (ROOT / "deploy" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert pins
    for pin in pins:
        assert PIN.fullmatch(pin), pin
        assert not pin.startswith("forwarder==")
    assert not any("://" in line for line in lines)
