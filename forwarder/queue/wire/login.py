"""Logs in to Redis, and reads the URL's file again when Redis refuses the password.

redis-py asks a CredentialProvider before each new connection, but does not report whether Redis accepted what it was
given. So the provider also makes the first steps on each new connection (`redis_connect_func`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from forwarder import secret
from forwarder.logs.redaction import hide
from forwarder.queue.wire.url import NOBODY, Cluster, Sentinels, Server, User, parse, passwords


class PasswordRefusedError(AuthenticationError):
    """Redis refused the password. `remedy` says what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class Source:
    """What a URL names, and the file that the URL was read from, if it was.

    Attributes:
        address: what the URL names. Only those who log in may change.
    """

    def __init__(self, url: str, file: Path | None = None) -> None:
        """Raises ValueError if the URL is not valid."""
        self.address = self._parsed(url)
        self._file = file

    @staticmethod
    def _parsed(url: str) -> Server | Sentinels | Cluster:
        address = parse(url)
        # Hidden here, because after connecting we report what Redis replies, and a refusal may quote the AUTH command.
        for password in passwords(url):
            hide(password)
            hide(url)
        return address

    def read_again(self) -> str:
        """Reads the file again, and takes over who logs in. Returns what to say about it if that is refused, too."""
        if self._file is None:
            return ""
        shown = secret.shown_file(self._file)
        try:
            found = self._parsed(secret.read(self._file))
        except ValueError as error:
            return f"; the URL's file cannot be used: {error}"
        if found.place != self.address.place:
            return f"; {shown} now names another Redis, database or option, which only a restart uses"
        self.address = found
        return f"; {shown} was read again"

    @property
    def remedy(self) -> str:
        """What to do when the password is refused."""
        if self._file is None:
            return (
                "Set the present password in FORWARDER_REDIS_URL and restart the service, or restore the old password"
            )
        return f"Write the present password into {secret.shown_file(self._file)}. The service reads it again by itself"


class Login(CredentialProvider):
    """Logs in with a source's user, or with the one for its Sentinels."""

    def __init__(self, source: Source, who: Callable[[Any], User] = lambda address: address.user) -> None:
        self._source = source
        self._who = who

    @property
    def options(self) -> dict[str, Any]:
        """Options of a redis-py client for asyncio. One for threads only takes the first of them."""
        return {"credential_provider": self, "redis_connect_func": self.connected}

    @property
    def _user(self) -> User:
        return self._who(self._source.address)

    def get_credentials(self) -> Any:
        """The arguments of AUTH; none if nobody logs in."""
        user = self._user
        if user == NOBODY:
            return ()
        return (user.name, user.password or "") if user.name else (user.password,)

    async def get_credentials_async(self) -> Any:
        """The same for asyncio."""
        return self.get_credentials()

    async def connected(self, connection: Any) -> None:
        """The first steps on a new connection. If the password is refused, tries once more with what the file has now.

        Raises:
            PasswordRefusedError: Redis refused it again.
        """
        before, used = self._source.address, self._user
        try:
            await connection.on_connect()
        except AuthenticationError as error:
            self._change(used, error)
        else:
            return
        try:
            await connection.on_connect()
        except AuthenticationError as error:
            # Redis may take the old password again before it takes the new one.
            self._source.address = before
            raise self._refusal(error, "; its file was read again, and the password in it is refused, too") from error

    def _change(self, used: User, error: AuthenticationError) -> None:
        """Makes sure that there is something else to log in with. Raises PasswordRefusedError if there is not."""
        if used != self._user:  # the file was read again for another connection meanwhile
            return
        found = self._source.read_again()
        if used == self._user:
            raise self._refusal(error, found) from error

    def _refusal(self, error: AuthenticationError, found: str) -> PasswordRefusedError:
        return PasswordRefusedError(f"{str(error).removesuffix('.')}{found}", self._source.remedy)
