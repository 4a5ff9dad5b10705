"""Three nights of an operator who does not know the service: an alert, the status page, the runbook, nothing lost."""

from forwarder.simulator import Answer, Faults, Refusal
from tests.support.incidents.scene import PATIENCE, Scene, Story
from tests.support.service import census, eventually

STATUS_HALTED = {"forwarder status": 77}


async def a_key_is_revoked_under_load(here: Scene) -> None:
    async with here.service(), here.load(5) as loading:
        await eventually(lambda: here.api.ledger.accepted_events > 100, within=PATIENCE)
        here.api.api_key = "the-next-key"
        alert = await here.fires("ForwarderHalted", reason="credentials")
        assert alert["annotations"]["summary"] == f"{here.job} is halted: the API refuses the key"
        await here.page_says("Halted: the API refuses the key")
        (status,) = await here.run("credentials", 0, codes=STATUS_HALTED)
        assert "the API key is refused" in status.text
        (here.directory / "new-key").write_text("the-next-key\n")
        await here.run("credentials", 1)
        await here.ends("ForwarderHalted")
        check, _ = await here.run("credentials", 2)
        assert "answers, and accepts the key" in check.text
        await loading.stop()
        now = await here.drained()
    assert now.letters == 0
    assert here.arrived == set(range(here.pushed))


async def a_producer_is_deployed_that_sends_10_000_refused_events(here: Scene) -> None:
    here.api.faults = Faults(refuse=(Refusal(name="broken"),))
    letters = here.directory / "rejected.ndjson"
    async with here.service():
        await here.push(1_000)
        await eventually(lambda: here.api.ledger.accepted_events >= 1_000, within=PATIENCE)
        await here.push(10_000, users=5_000, name="broken")
        await here.push(1_000)
        await here.fires("ForwarderHalted", reason="dead_letter_brake")
        await here.page_says("Halted: most events were refused")
        await here.run("dead-letter-brake", 0, codes=STATUS_HALTED)
        shown, _ = await here.run("dead-letter-brake", 1)
        assert "rejected 400" in shown.text
        assert (await census(here.redis, here.queue)).letters <= 100
        await here.run("dead-letter-brake", 2)
        await here.ends("ForwarderHalted")
        assert (await here.drained()).letters == 10_000
        assert here.arrived == {*range(1_000), *range(11_000, 12_000)}
        await here.fires("ForwarderDeadLetters")
        await here.run("dead-letter-brake", 3)
        letters.write_text(letters.read_text().replace("broken", "mended"))
        await here.run("dead-letter-brake", 4)
        here.pushed += 10_000
        assert (await here.drained()).letters == 0
        await here.ends("ForwarderDeadLetters")
    assert here.arrived == set(range(12_000))


async def the_api_is_down(here: Scene) -> None:
    async with here.service(), here.load(5) as loading:
        await eventually(lambda: here.api.ledger.accepted_events > 100, within=PATIENCE)
        here.api.faults = Faults(status_all=Answer(status=503))
        await here.fires("ForwarderApiOutage")
        await here.page_says("The API accepts nothing")
        check, _, memory = await here.run("outage", codes={"forwarder check": 1})
        assert "answers 503" in check.text
        assert "used_memory:" in memory.text
        here.api.faults = Faults()
        await here.ends("ForwarderApiOutage")
        await loading.stop()
        now = await here.drained()
    assert now.letters == 0
    assert here.arrived == set(range(here.pushed))


NIGHTS: dict[str, Story] = {
    "revoked": a_key_is_revoked_under_load,
    "refused": a_producer_is_deployed_that_sends_10_000_refused_events,
    "outage": the_api_is_down,
}
