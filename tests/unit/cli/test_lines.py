"""Input in any pieces gives the same lines, and a long line is only measured."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.cli.lines import _AROUND, _PIECE, DamagedError, Splitter, Unpacker

TEXT = b'{"n":1}\n\r\n{"n":2}\r\n{"n":3}'


def unpacked(data: bytes, step: int) -> bytes:
    unpacker = Unpacker()
    found = [piece for start in range(0, len(data), step) for piece in unpacker.pieces(data[start : start + step])]
    assert all(len(piece) <= max(_PIECE, step) for piece in found)
    return b"".join([*found, unpacker.end()])


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1_000_000])
def test_gzip_is_recognised_by_its_content_in_pieces_of_any_size(step: int) -> None:
    for text in (b"", b"\x1f", TEXT, b"x" * 70_000 + b"\n"):
        assert unpacked(text, step) == text
    assert unpacked(gzip.compress(TEXT), step) == TEXT
    assert unpacked(gzip.compress(TEXT) + gzip.compress(b"more") + b"\0" * 512, step) == TEXT + b"more"


def test_what_unpacks_to_much_comes_in_small_pieces() -> None:
    for size in (_PIECE - 1, _PIECE, _PIECE + 1, 50 * _PIECE):
        assert unpacked(gzip.compress(b"x" * size), 1_000_000) == b"x" * size


@pytest.mark.parametrize("cut", [2, 10, 20, -9, -8, -1])
def test_gzip_that_ends_too_soon_is_noticed_at_the_end(cut: int) -> None:
    with pytest.raises(DamagedError, match="ends too soon"):
        unpacked(gzip.compress(TEXT)[:cut], 5)


def test_gzip_that_is_damaged_is_noticed() -> None:
    whole = bytearray(gzip.compress(TEXT * 100))
    whole[-5] ^= 1
    for data in (bytes(whole), gzip.compress(TEXT) + b"rest"):
        with pytest.raises(DamagedError, match="damaged"):
            unpacked(data, 1_000)


@given(st.lists(st.binary(max_size=8).filter(lambda line: b"\n" not in line)), st.integers(1, 5))
def test_lines_are_cut_like_anybody_cuts_them(lines: list[bytes], step: int) -> None:
    data, splitter = b"\n".join(lines), Splitter(8)
    found = [each for start in range(0, len(data), step) for each in splitter.lines(data[start : start + step])]
    found += splitter.last()
    assert found == (lines[:-1] if lines and not lines[-1] else lines)


def test_a_line_that_is_too_long_is_measured_and_not_held() -> None:
    splitter = Splitter(100)
    most = 100 + _AROUND
    assert list(splitter.lines(b"a" * most + b"\n" + b"a" * (most + 1) + b"\nb\n")) == [b"a" * most, most + 1, b"b"]
    piece = b"x" * _PIECE
    tracemalloc.start()
    try:
        for _ in range(200):
            assert list(splitter.lines(piece)) == []
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()
    assert list(splitter.lines(b"\nc\n")) == [200 * _PIECE, b"c"]
    assert list(splitter.last()) == []


def test_the_pieces_are_those_of_zlib() -> None:
    assert zlib.decompress(gzip.compress(TEXT), 31) == unpacked(gzip.compress(TEXT), 4)
