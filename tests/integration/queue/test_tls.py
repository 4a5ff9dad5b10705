"""Redis by TLS, with certificates of the test's own: a CA, a server's and a client's."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from forwarder.errors import UnreachableError
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Simulator
from tests.support.servers.tls import Certificates, certificates, redis_by_tls
from tests.support.service import event, eventually, free_port, push, running, settings


@dataclass(frozen=True)
class Secured:
    """A server that wants a certificate of its clients."""

    port: int
    files: Certificates

    def url(self, *, stranger: bool = False, host: str = "localhost", certified: bool = True) -> str:
        ca = self.files.stranger if stranger else self.files.ca
        return f"rediss://{host}:{self.port}/0{self.files.query(ca=ca, certified=certified)}"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    found = Secured(free_port(), certificates(tmp_path_factory.mktemp("tls"), "localhost"))
    with redis_by_tls(found.files.options(found.port)):
        yield found


async def test_the_service_runs_by_tls_with_its_own_ca_and_a_clients_certificate(
    secured: Secured, queue_name: str, api: Simulator
) -> None:
    async with connect(secured.url()) as redis:
        await push(redis, queue_name, [event("a", number) for number in range(50)])
    async with running(settings(secured.url(), queue_name, api)):
        await eventually(lambda: api.ledger.accepted_events == 50)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"stranger": True}, "CERTIFICATE_VERIFY_FAILED", id="of another CA"),
        pytest.param({"host": "127.0.0.1"}, "CERTIFICATE_VERIFY_FAILED.*mismatch", id="of another host"),
        pytest.param({"certified": False}, "(?i)certificate|closed|reset", id="no certificate of the client"),
    ],
)
async def test_what_does_not_prove_who_it_is_gets_nothing(
    secured: Secured, queue_name: str, wrong: dict[str, object], said: str
) -> None:
    async with connect(secured.url(**wrong)) as redis:  # type: ignore[arg-type]
        with pytest.raises(UnreachableError, match=said):
            await Queue(redis, queue_name, 1).halt()
