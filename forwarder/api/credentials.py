"""The API key: where it comes from, how it is sent, and how it is identified without being shown."""

import base64
import hashlib
from pathlib import Path
from typing import Self

from forwarder import secret
from forwarder.config import Settings, example
from forwarder.errors import ConfigurationError
from forwarder.logs.redaction import hide


class Credentials:
    """Holds the current API key, from a value or from a file that may change.

    Raises:
        ConfigurationError: on construction, when there is no usable key.
    """

    def __init__(self, key: str | None, file: Path | None) -> None:
        self._file = file
        #: Why the file could not be used when it was last read; None if it could.
        self.problem: str | None = None
        try:
            found = secret.read(file) if file is not None else secret.cleaned(key or "")
        except ValueError as error:
            raise ConfigurationError([self._problem(error)]) from None
        if not found:
            raise ConfigurationError([self._problem("required (or FORWARDER_API_KEY_FILE)")])
        self._use(found)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The key that the settings name. Raises ConfigurationError when there is none."""
        key = settings.api_key.get_secret_value() if settings.api_key is not None else None
        return cls(key, settings.api_key_file)

    def __repr__(self) -> str:
        return f"Credentials(fingerprint={self.fingerprint!r})"

    def _use(self, key: str) -> None:
        self._key = key
        #: Value of the Authorization header: Basic, with an empty user name (RFC 7617).
        encoded = base64.b64encode(f":{key}".encode()).decode()
        self.authorization = f"Basic {encoded}"
        # Hidden here, because only this class sees a key that comes from a file, and the keys that replace it.
        hide(key)
        hide(encoded)
        #: Identifies the key without showing it: 48 bits of a hash of a long random string.
        self.fingerprint = hashlib.sha256(f"forwarder:{key}".encode()).hexdigest()[:12]

    def _problem(self, what: object) -> str:
        name = "api_key" if self._file is None else "api_key_file"
        return f"FORWARDER_{name.upper()}: {what}; example: {example(name)}"

    def reload(self) -> bool:
        """Reads the file again. Returns whether the key has changed; if the file cannot be used, the old key stays."""
        if self._file is None:
            return False
        try:
            key = secret.read(self._file)
        except ValueError as error:
            self.problem = self._problem(error)
            return False
        self.problem = None
        if key == self._key:
            return False
        self._use(key)
        return True
