"""Redis by TLS, with certificates of the test's own: a CA, a server's and a client's."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from forwarder.embedded import EmbeddedRedis, installed_servers
from forwarder.errors import UnreachableError
from forwarder.queue import Keys, Records, connect
from forwarder.simulator import Simulator
from tests.rig import event, eventually, free_port, push, running, settings


@dataclass(frozen=True)
class Secured:
    """A server that wants a certificate of its clients, and files: its CA, another CA, a client's chain and key."""

    port: int
    ca: Path
    stranger: Path
    client: Path

    def url(self, *, ca: Path | None = None, host: str = "localhost", certified: bool = True) -> str:
        chain = f"&ssl_certfile={self.client}&ssl_keyfile={self.client}" if certified else ""
        return f"rediss://{host}:{self.port}/0?ssl_ca_certs={ca or self.ca}{chain}"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    ca, stranger = trustme.CA(), trustme.CA()
    issued = ca.issue_cert("localhost")
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    stranger.cert_pem.write_to_path(str(folder / "stranger.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    issued.private_key_pem.write_to_path(str(folder / "server.key"))
    ca.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    port = free_port()
    arguments = ["--tls-port", str(port), "--tls-auth-clients", "yes"]
    for name, file in {"cert-file": "server.pem", "key-file": "server.key", "ca-cert-file": "ca.pem"}.items():
        arguments += [f"--tls-{name}", str(folder / file)]
    for server in installed_servers():
        try:
            with EmbeddedRedis(server=server, arguments=arguments):
                yield Secured(port, folder / "ca.pem", folder / "stranger.pem", folder / "client.pem")
                return
        except UnreachableError:
            continue  # built without TLS
    pytest.skip("no redis-server here is built with TLS")


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
        pytest.param({"ca": "stranger"}, "CERTIFICATE_VERIFY_FAILED", id="of another CA"),
        pytest.param({"host": "127.0.0.1"}, "CERTIFICATE_VERIFY_FAILED.*mismatch", id="of another host"),
        pytest.param({"certified": False}, "(?i)certificate|closed|reset", id="no certificate of the client"),
    ],
)
async def test_what_does_not_prove_who_it_is_gets_nothing(
    secured: Secured, queue_name: str, wrong: dict[str, object], said: str
) -> None:
    url = secured.url(ca=secured.stranger) if wrong.get("ca") else secured.url(**wrong)  # type: ignore[arg-type]
    async with connect(url) as redis:
        with pytest.raises(UnreachableError, match=said):
            await Records(redis, Keys(queue_name)).halt()
