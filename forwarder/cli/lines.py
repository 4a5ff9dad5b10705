"""Unpacks what is read, and cuts it into lines. Holds little memory, whatever the input is. Pure."""

import zlib
from collections.abc import Iterator

#: At most this many bytes are unpacked at once: 314 KB of gzip may hold 300 MB.
_PIECE = 64 * 1024
#: How gzip begins (RFC 1952).
_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS  # zlib's name for this format
#: Bytes of white space, a byte order mark and a line end that may surround an element.
_AROUND = 1_024


class DamagedError(Exception):
    """The input cannot be unpacked; what was unpacked before is sound."""


class Unpacker:
    """Unpacks input that begins as gzip does, and passes on any other."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._packed = False
        self._member: zlib._Decompress | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What `data` holds.

        Raises:
            DamagedError: it is not gzip as it should be.
        """
        if self._head is not None:
            data = self._head + data
            if data == _MAGIC[: len(data)] != _MAGIC:
                self._head = data  # the second byte will decide
                return
            self._head, self._packed = None, data.startswith(_MAGIC)
        if self._packed:
            yield from self._unpacked(data)
        else:
            yield data

    def end(self) -> bytes:
        """What is left at the end of the input.

        Raises:
            DamagedError: it ends too soon.
        """
        if self._member is not None:
            raise DamagedError("the gzip data ends too soon")
        return self._head or b""

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        full = False
        while data or full:
            if self._member is None:
                data = data.lstrip(b"\0")  # files may be padded, and may have several members, one after the other
                if not data:
                    return
                self._member = zlib.decompressobj(_GZIP)
            try:
                piece = self._member.decompress(data, _PIECE)
            except zlib.error as error:
                raise DamagedError(f"the gzip data is damaged ({error})") from error
            yield piece
            full = len(piece) == _PIECE
            data = self._member.unconsumed_tail
            if self._member.eof:
                data, full = self._member.unused_data, False
                self._member = None


class Splitter:
    """Cuts pieces into lines. A line that is too long for an event is not kept: only its length is.

    Args:
        most: bytes that an event may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most + _AROUND
        self._held = bytearray()
        self._length = 0

    def lines(self, piece: bytes) -> Iterator[bytes | int]:
        """The lines that end in `piece`, without their ends; the length of one that is too long."""
        *ending, rest = piece.split(b"\n")
        for part in ending:
            self._hold(part)
            yield self._taken()
        self._hold(rest)

    def last(self) -> Iterator[bytes | int]:
        """The line that the end of the input ends, if there is one."""
        if self._length:
            yield self._taken()

    def _hold(self, part: bytes) -> None:
        self._length += len(part)
        if self._length <= self._most:
            self._held += part
        else:
            self._held.clear()

    def _taken(self) -> bytes | int:
        line = bytes(self._held) if self._length <= self._most else self._length
        self._held.clear()
        self._length = 0
        return line
