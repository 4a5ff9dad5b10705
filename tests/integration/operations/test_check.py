"""What `forwarder check` says of what answers at the API's address."""

import pytest

from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.operations.check import Finding, examine
from forwarder.queue.queue import Queue
from forwarder.simulator import Answer, Faults
from tests.support.world import World

BAD_REQUEST = Answer(status=400, body="<html>400 Bad Request</html>", content_type="text/html")


async def found(world: World) -> Finding:
    """The finding about the API."""
    settings, queue = world.settings(), Queue(world.redis, world.queue, 1)
    async with Api.from_settings(settings, Credentials.from_settings(settings)) as api:
        (about,) = [finding async for finding in examine(settings, queue, api) if finding.what == "api"]
    return about


async def test_the_api_is_approved(world: World) -> None:
    assert (await found(world)).grade == "ok"


@pytest.mark.parametrize(
    "answer", [BAD_REQUEST, Answer(status=400, body=""), Answer(status=400, body="[]"), Answer(status=400, body="{")]
)
async def test_something_that_answers_400_to_everything_is_not_approved(world: World, answer: Answer) -> None:
    world.api.faults = Faults(status_all=answer)
    finding = await found(world)
    assert finding.grade == "failure"
    assert "something that answers 400 to everything" in finding.detail


async def test_an_address_that_has_answered_202_is_approved_whatever_its_400_looks_like(world: World) -> None:
    world.api.faults = Faults(status_all=BAD_REQUEST)
    settings = world.settings()
    api = Api.from_settings(settings, Credentials.from_settings(settings))
    await Queue(world.redis, world.queue, 1).note_address(api.fingerprint)
    assert (await found(world)).grade == "ok"


@pytest.mark.parametrize("status", [200, 403, 404, 418, 422, 451, 503])
async def test_any_other_status_is_not_approved(world: World, status: int) -> None:
    world.api.faults = Faults(status_all=Answer(status=status))
    finding = await found(world)
    assert finding.grade == "failure"
    assert str(status) in finding.detail
