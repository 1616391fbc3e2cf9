"""What a server said, made fit for messages, logs and reasons: short, one printable line, without our secrets.

Whatever comes over the wire and is shown to anybody goes through :func:`shown`: it may be
megabytes long, hold line breaks and escape sequences, and repeat the token that was sent.
"""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

LONGEST = 300
HIDDEN = "***"
_CUT = "…"
_SHORTEST_SECRET = 8
"""What is shorter is a word of every language; keys, secrets, codes and tokens are longer."""
_LONGEST_SECRET, _COMPARED = 16_384, 3_000
"""What is longer is no header; of a long one the beginning is looked for, and what follows it is hidden too."""
_MOST_SECRETS = 32
_LOOKED_AT = 8_000
"""Characters of a text that are looked at; what is shown comes from its beginning."""
_ESCAPES = re.compile(
    r"""(?x)
    (?: \x1b\[ | \x9b ) [0-?]* [\x20-/]* [@-~]                       # colours, and what moves the cursor
    | (?: \x1b\] | \x9d ) [^\x07\x1b\x9c]* (?: \x07 | \x1b\\ | \x9c )  # titles of windows, links
    | \x1b [\x20-/]* [0-~]
    """
)
_UNKNOWN_SECRETS = re.compile(
    r"""(?ix)
    (\b (?: (?: access | refresh | id )_token | client_secret | app_?secret | api_?key ) \b ["']? \s* [:=] \s* ["']?
      | \b (?: bearer | basic ) \s+
      | [?&;] code = )
    [\w.~+/=@%-]{8,}
    """
)

_REST = re.compile(re.escape(HIDDEN) + r"[\w~+/=%*-]+")
"""What follows a secret without a break: the rest of a long one, or of one that is encoded with more."""

_guard = threading.Lock()
_known: dict[str, tuple[str, ...]] = {}
_longest_first: tuple[str, ...] = ()


def keep_secret(*secrets: object) -> None:
    """Let no text that is shown from now on hold one of ``secrets``, plain or encoded.

    A secret is one for the whole process, whoever meets it; the newest ones are remembered.
    """
    global _longest_first  # noqa: PLW0603 - what is known is one thing, and readers see it whole
    with _guard:
        for secret in secrets:
            if isinstance(secret, str) and _SHORTEST_SECRET <= len(secret) <= _LONGEST_SECRET:
                known = secret[:_COMPARED]
                _known[known] = _known.pop(known, ()) or tuple(_forms(known))
        while len(_known) > _MOST_SECRETS:
            del _known[next(iter(_known))]
        _longest_first = tuple(sorted({form for forms in _known.values() for form in forms}, key=len, reverse=True))


def shown(said: object, longest: int = LONGEST) -> str:
    r"""Return what a server said as at most ``longest`` printable characters of one line, without secrets.

    Examples:
        >>> shown("Not\r\n\x1b[31mfound\x1b[0m")
        'Not found'
        >>> shown("x" * 100, 10)
        'xxxxxxxxx…'
        >>> shown('{"access_token": "I0.abcdefgh"}')
        '{"access_token": "***"}'
    """
    text = said if isinstance(said, str) else _text_of(said, str)
    is_whole = len(text) <= _LOOKED_AT
    return _cut(_without_secrets(_one_line(text[:_LOOKED_AT]), is_whole=is_whole), longest, is_whole=is_whole)


def shown_value(said: object, longest: int = 60) -> str:
    """Return a value that a server sent as Python writes it, in at most ``longest`` printable characters.

    Examples:
        >>> shown_value("NaN"), shown_value([1, None])
        ("'NaN'", '[1, None]')
    """
    return shown(_text_of(said, repr), longest)


def kept(raw: str, longest: int) -> str:
    """Return ``raw`` as it came, without secrets and cut where it is longer than ``longest``."""
    is_whole = len(raw) <= longest
    return _cut(_without_secrets(raw[:longest], is_whole=is_whole), longest, is_whole=is_whole)


def _text_of(said: object, write: Callable[[object], str]) -> str:
    try:
        return write(said)
    except RecursionError:
        return f"a {type(said).__name__} that is nested too deeply"
    except ValueError:
        return f"a {type(said).__name__} that is too long"


def _without_secrets(text: str, *, is_whole: bool) -> str:
    forms = _longest_first
    for form in forms:
        text = text.replace(form, HIDDEN)
    text = _REST.sub(HIDDEN, _UNKNOWN_SECRETS.sub(lambda found: found[1] + HIDDEN, text))
    if is_whole or not forms:
        return text
    # Its last word may be the beginning of a secret, which nothing recognises.
    last = len(text) - text.rfind(" ") - 1
    return text[: len(text) - min(last, len(forms[0]))]


def _cut(text: str, longest: int, *, is_whole: bool) -> str:
    return text if is_whole and len(text) <= longest else text[: longest - len(_CUT)] + _CUT


def _one_line(text: str) -> str:
    text = _ESCAPES.sub(" ", text)
    # Neither printable: breaks of lines, controls, what turns the direction of writing, halves of surrogates.
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _forms(secret: str) -> Iterator[str]:
    data = secret.encode(errors="backslashreplace")
    yield secret
    for encoded in {quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe=""), safe="")}:
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda escape: escape[0].lower(), encoded)
    yield data.hex()
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + data).decode()
        # The signs at either end mix with what stands there; only those between are the secret's alone.
        inner = packed[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        yield inner
        yield inner.translate(str.maketrans("+/", "-_"))
