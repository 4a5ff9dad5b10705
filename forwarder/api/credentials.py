"""The API key: where it comes from, how it is sent, and how it is identified without being shown."""

import base64
import hashlib
from pathlib import Path
from typing import Self

from forwarder.config import Settings, shown_file
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
        found = self._read() if file is not None else key
        if not found:
            raise ConfigurationError([self.problem or "FORWARDER_API_KEY: required (or FORWARDER_API_KEY_FILE)"])
        if not found.isprintable():
            raise ConfigurationError(["FORWARDER_API_KEY: must not contain control characters"])
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

    def _read(self) -> str | None:
        self.problem = None
        try:
            key = self._file.read_text(encoding="utf-8").strip() if self._file is not None else ""
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            self.problem = f"FORWARDER_API_KEY_FILE: cannot read {shown_file(self._file)}: {why}"
            return None
        if not key or not key.isprintable():
            self.problem = f"FORWARDER_API_KEY_FILE: {shown_file(self._file)} contains no key"
            return None
        return key

    def reload(self) -> bool:
        """Reads the file again. Returns whether the key has changed; if the file cannot be used, the old key stays."""
        key = self._read() if self._file is not None else None
        if key is None or key == self._key:
            return False
        self._use(key)
        return True
