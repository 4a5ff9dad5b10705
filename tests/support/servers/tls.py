"""Certificates for tests, and servers that use them and require a client certificate."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from forwarder.demo.redis_server import EmbeddedRedis, installed_servers
from forwarder.errors import UnreachableError


@dataclass(frozen=True)
class Certificates:
    """Files: a CA, another CA, a client's chain and key in one, and a server's chain and key."""

    ca: Path
    stranger: Path
    client: Path
    server: Path
    key: Path

    def options(self, port: int) -> dict[str, str]:
        """The server's options, for its configuration or with ``--``: TLS at this port, for certified clients only."""
        return {
            "tls-port": str(port),
            "tls-auth-clients": "yes",
            "tls-cert-file": str(self.server),
            "tls-key-file": str(self.key),
            "tls-ca-cert-file": str(self.ca),
        }

    def query(self, *, ca: Path | None = None, certified: bool = True) -> str:
        """The query of a URL that uses them."""
        chain = f"&ssl_certfile={self.client}&ssl_keyfile={self.client}" if certified else ""
        return f"?ssl_ca_certs={ca or self.ca}{chain}"


def certificates(folder: Path, *hosts: str) -> Certificates:
    """Makes certificates; the server's is for these names and addresses."""
    ca, stranger = trustme.CA(), trustme.CA()
    issued = ca.issue_cert(*hosts)
    found = Certificates(
        *(folder / name for name in ("ca.pem", "stranger.pem", "client.pem", "server.pem", "server.key"))
    )
    ca.cert_pem.write_to_path(str(found.ca))
    stranger.cert_pem.write_to_path(str(found.stranger))
    ca.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(str(found.client))
    issued.cert_chain_pems[0].write_to_path(str(found.server))
    issued.private_key_pem.write_to_path(str(found.key))
    return found


@contextmanager
def redis_by_tls(options: Mapping[str, str]) -> Iterator[Path]:
    """Runs a redis-server with these options. Yields its program. Skips the test if none here is built with TLS."""
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    for server in installed_servers():
        running = EmbeddedRedis(server=server, arguments=arguments)
        try:
            running.start()
        except UnreachableError:
            continue
        with running:
            yield server
        return
    pytest.skip("no redis-server here is built with TLS")
