"""Replies are unpacked piece by piece, and what grows too large is found before it is there."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator

import httpx
import pytest

from jutsu_assets.schwab.unpacking import unpacked

BODY = b'{"candles": []}' * 10_000
LARGEST = 2**20


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    " deflate ": raw_deflate,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "deflate,gzip": lambda body: gzip.compress(zlib.compress(body)),
    "identity, gzip, ": gzip.compress,
}


class Watch:
    """Lets pass so many bytes of every coding, and remembers how many came of all."""

    def __init__(self, largest: int = LARGEST) -> None:
        self.seen = 0
        self._largest = largest

    def __call__(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        size = 0
        for piece in pieces:
            size += len(piece)
            self.seen += len(piece)
            if size > self._largest:
                message = "too large"
                raise httpx.RemoteProtocolError(message)
            yield piece


def cut(body: bytes, length: int) -> list[bytes]:
    return [body[at : at + length] for at in range(0, len(body), length)]


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("length", [1, 1000, 10**9])
def test_what_was_packed_is_unpacked_however_it_is_cut(encoding: str, length: int) -> None:
    assert b"".join(unpacked(cut(PACKED[encoding](BODY), length), encoding, Watch())) == BODY


@pytest.mark.parametrize("encoding", PACKED)
def test_nothing_at_all_is_nothing(encoding: str) -> None:
    assert b"".join(unpacked([b"", b""], encoding, Watch())) == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate", " deflate ", "gzip, gzip", "deflate,gzip"])
def test_a_bomb_never_goes_off(encoding: str) -> None:
    """Of 20 MB that are 20 kB packed, hardly more is unpacked than may be."""
    watch = Watch()
    bomb = PACKED[encoding](b"\0" * 20_000_000)
    assert len(bomb) < 40_000
    with pytest.raises(httpx.RemoteProtocolError, match="too large"):
        b"".join(unpacked([bomb], encoding, watch))
    assert watch.seen < LARGEST + len(bomb) * 3 + 2**18


def test_what_grows_only_on_the_way_is_found_too() -> None:
    """Thousands of empty streams: the last coding gives nothing, the one before it too much."""
    between = gzip.compress(b"") + b"\0" * 10_000_000
    watch = Watch()
    with pytest.raises(httpx.RemoteProtocolError, match="too large"):
        b"".join(unpacked([gzip.compress(between)], "gzip, gzip", watch))
    assert watch.seen < 2 * LARGEST


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip", ", ".join(["gzip"] * 10_000), "\x1b[31m"]
)
def test_what_nobody_asked_for_is_not_unpacked(encoding: str) -> None:
    with pytest.raises(
        httpx.DecodingError, match=r"must be plain, or packed by gzip, deflate, was packed by"
    ) as caught:
        b"".join(unpacked([BODY], encoding, Watch()))
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("spoil", [lambda body: body[:-9], lambda body: body[:3], lambda _: b"no gzip"])
def test_what_is_broken_or_ends_early_is_refused(encoding: str, spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(httpx.DecodingError):
        b"".join(unpacked([spoil(PACKED[encoding](BODY))], encoding, Watch()))
