"""Unpacks the body of a reply piece by piece, so that a small one cannot become a huge one unseen."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import httpx

from jutsu_assets.schwab.server_text import shown

ACCEPTED = "gzip, deflate"
"""What a request says of itself; a reply that is packed otherwise came unasked."""
_PIECE_BYTES = 2**16
_MOST_CODINGS = 2
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_PLAIN = ("", "identity")

Watch = Callable[[Iterable[bytes]], Iterator[bytes]]


def unpacked(pieces: Iterable[bytes], encoding: str, watch: Watch) -> Iterator[bytes]:
    """Return the body that ``pieces`` hold packed, itself in pieces.

    Args:
        pieces: The body as it comes.
        encoding: The reply's ``Content-Encoding``, which may name several codings, the first done first.
        watch: Passes pieces on while they are not too many; every coding's are counted.

    Raises:
        httpx.DecodingError: The body is packed in a way that was not asked for, or is broken.
    """
    codings = [coding for part in encoding.split(",") if (coding := part.strip().lower()) not in _PLAIN]
    if len(codings) > _MOST_CODINGS or not set(codings) <= set(_WINDOW_BITS):
        message = f"the reply must be plain, or packed by {ACCEPTED}, was packed by {shown(encoding, 60)}"
        raise httpx.DecodingError(message)
    return _through(pieces, codings, watch)


def _through(pieces: Iterable[bytes], codings: Sequence[str], watch: Watch) -> Iterator[bytes]:
    stream = watch(pieces)
    for coding in reversed(codings):
        stream = watch(_inflated(stream, coding))
    return stream


def _inflated(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    inflater = None
    for piece in pieces:
        if not piece or (inflater is not None and inflater.eof):
            continue
        inflater = inflater or zlib.decompressobj(_window_bits(coding, piece))
        yield from _steps(inflater, piece)
    if inflater is not None and not inflater.eof:
        message = f"the reply must be a whole {coding} stream, ended in the middle"
        raise httpx.DecodingError(message)


def _window_bits(coding: str, piece: bytes) -> int:
    # Some servers leave out the two bytes that deflate begins with.
    is_bare = coding == "deflate" and piece[0] & 0x0F != zlib.DEFLATED
    return -zlib.MAX_WBITS if is_bare else _WINDOW_BITS[coding]


def _steps(inflater: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    while True:
        try:
            piece = inflater.decompress(packed, _PIECE_BYTES)
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error
        yield piece
        packed = inflater.unconsumed_tail
        if not packed and len(piece) < _PIECE_BYTES:
            return
