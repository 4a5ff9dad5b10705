"""How POSTs reach the API: through which proxy, and which certificates are trusted on the way."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from forwarder.config import PREFIX, Settings, example
from forwarder.config.proxy_url import ProxyUrl, parse
from forwarder.errors import ConfigurationError
from forwarder.logs.redaction import hide
from forwarder.secret import shown_file

_CA_FILE = "api_ca_file"


@dataclass(frozen=True, slots=True)
class Egress:
    """The way out.

    Attributes:
        proxy: its address, ``http://host:port``, without user and password; None if POSTs go to the API directly.
        login: the header that logs in to the proxy; empty without a user. It must never reach the API.
        tls: what decides which certificates are trusted; True for the system's.
    """

    proxy: str | None = None
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | Literal[True] = True

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The way that the settings name.

        Raises:
            ConfigurationError: the file of certificates cannot be used.
        """
        tls: ssl.SSLContext | Literal[True] = True if settings.api_ca_file is None else _trusting(settings.api_ca_file)
        if settings.api_proxy is None:
            return cls(tls=tls)
        proxy = parse(settings.api_proxy.get_secret_value())
        return cls(proxy.address, _login(proxy), tls)


#: To the API itself, trusting the system's certificates.
DIRECT = Egress()


def _login(proxy: ProxyUrl) -> dict[str, str]:
    """Basic authentication to a proxy (RFC 7617)."""
    if not (proxy.user or proxy.password):
        return {}
    encoded = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
    hide(encoded)
    return {"Proxy-Authorization": f"Basic {encoded}"}


def _trusting(file: Path) -> ssl.SSLContext:
    """Trusts the system's certificates and those in a file, as aiohttp trusts the system's."""
    try:
        context = ssl.create_default_context(cafile=file)
    except ssl.SSLError:  # first, as it is an OSError too
        what = f"{shown_file(file)} holds no certificate in PEM (-----BEGIN CERTIFICATE-----), or a damaged one"
    except OSError as error:
        what = f"cannot read {shown_file(file)}: {error.strerror or type(error).__name__}"
    else:
        context.load_default_certs()
        context.set_alpn_protocols(("http/1.1",))
        return context
    raise ConfigurationError([f"{PREFIX}{_CA_FILE.upper()}: {what}; example: {example(_CA_FILE)}"])
