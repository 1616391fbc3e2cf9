"""What a server said is shown short, on one line, and without what is ours."""

import base64
import tracemalloc
from urllib.parse import quote

import pytest

from jutsu_assets.schwab import server_text
from jutsu_assets.schwab.server_text import LONGEST, keep_secret, kept, shown, shown_value

TOKEN = "I0.b2F1dGgyLmNkYy5zY2h3YWI/Zm9v+Y29t_bGl2ZQ=="  # noqa: S105 - nobody's


@pytest.fixture(autouse=True)
def _one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget those of other tests: a process has the secrets of one user."""
    monkeypatch.setattr(server_text, "_known", {})
    keep_secret(TOKEN)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a\r\nb\tc\x00d", "a b c d"),
        ("\x1b[2J\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link", "text link"),
        ("\x9b31mred", "red"),
        ("right\u202eleft\u2066\u200bzero", "right left zero"),
        ("line\u2028paragraph\u2029next\x85", "line paragraph next"),
        ("half \ud800 of a pair", "half of a pair"),
        ("  spaced   out  ", "spaced out"),
        ("prices in \u20ac, M\u00fcnchen", "prices in \u20ac, M\u00fcnchen"),
        ("", ""),
    ],
)
def test_it_is_one_line_of_printable_signs(said: str, told: str) -> None:
    assert shown(said) == told


@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, 20_000_000])
def test_it_is_short(length: int) -> None:
    text = shown("x" * length)
    assert len(text) == min(length, LONGEST)
    assert text.endswith("…") is (length > LONGEST)


def test_to_shorten_twenty_megabytes_costs_next_to_nothing() -> None:
    said = "x" * 20_000_000
    tracemalloc.start()
    shown(said)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def packed(before: str, after: str = "") -> str:
    return base64.b64encode(f"{before}{TOKEN}{after}".encode()).decode()


ENCODED = {
    "plain": TOKEN,
    "in a header": f"Authorization: Bearer {TOKEN}",
    "for a URL": quote(TOKEN, safe=""),
    "for a URL, small": quote(TOKEN, safe="").replace("%2F", "%2f").replace("%3D", "%3d").replace("%2B", "%2b"),
    "for a URL, twice": quote(quote(TOKEN, safe=""), safe=""),
    "base64": packed(""),
    "base64 behind one sign": packed("k:"[:1]),
    "base64 behind a key": packed("key:"),
    "base64 before something": packed("ab", ":after"),
    "base64 for URLs": base64.urlsafe_b64encode(TOKEN.encode()).decode(),
    "hexadecimal": TOKEN.encode().hex(),
}


@pytest.mark.parametrize("encoded", ENCODED.values(), ids=ENCODED)
def test_a_secret_is_not_in_it_however_it_is_encoded(encoded: str) -> None:
    told = shown(f"you said {encoded}, didn't you")
    assert told.startswith("you said ")
    assert "***" in told
    assert encoded not in told
    for at in range(len(encoded) - 16):
        assert encoded[at : at + 16] not in told.replace("Authorization: Bearer", "")


@pytest.mark.parametrize("before", range(LONGEST - 60, LONGEST + 5, 7))
def test_no_beginning_of_a_secret_is_left_where_it_is_cut(before: int) -> None:
    assert TOKEN[:6] not in shown("x" * before + TOKEN + "y" * 100)


@pytest.mark.parametrize("before", range(7_900, 8_010, 9))
def test_nor_where_a_long_text_ceases_to_be_looked_at(before: int) -> None:
    """Blanks shrink to one: what stood far behind comes near."""
    assert TOKEN[:6] not in shown("\n" * before + TOKEN + "y" * 10_000)


def test_escape_sequences_inside_a_secret_do_not_hide_it() -> None:
    told = shown(f"{TOKEN[:20]}\x1b[0m{TOKEN[20:]}")
    assert TOKEN not in told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"access_token":"I0.unknown-one"}', '{"access_token":"***"}'),
        ("refresh_token=unknown-one&x=1", "refresh_token=***&x=1"),
        ("'id_token': 'unknown-one'", "'id_token': '***'"),
        ("Basic dW5rbm93bjpvbmU=", "Basic ***"),
        ("https://127.0.0.1/?code=C0.unknown%40&session=1", "https://127.0.0.1/?code=***&session=1"),
        ("error code: 400, basic needs", "error code: 400, basic needs"),
    ],
)
def test_what_looks_like_a_secret_is_not_shown_either(said: str, told: str) -> None:
    assert shown(said) == told


def test_nothing_is_left_of_a_secret_that_is_very_long() -> None:
    secret = "".join(f"{number:05}" for number in range(2_000))
    keep_secret(secret)
    for said in (secret, quote(secret), base64.b64encode(secret.encode()).decode()):
        assert shown(f"you said {said}!") == "you said …"


def test_a_word_is_no_secret() -> None:
    keep_secret("key", "", None, 5)
    assert shown("the key is wrong") == "the key is wrong"


def test_a_value_is_shown_as_python_writes_it() -> None:
    assert shown_value("NaN") == "'NaN'"
    assert shown_value(None) == "None"
    assert len(shown_value(["x" * 1_000_000])) == 60
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown_value(deep) == "a list that is nested too deeply"
    while deep:
        deep = deep[0]  # type: ignore[assignment] # taken apart by hand: to forget it whole would be as deep


def test_what_is_kept_is_kept_as_it_came_up_to_a_length() -> None:
    assert kept('{"a":  1}\n', 100) == '{"a":  1}\n'
    assert kept(f'{{"a": "{TOKEN}"}}', 100) == '{"a": "***"}'
    assert TOKEN[:6] not in kept("x" * 80 + TOKEN, 100)
    assert len(kept("x" * 1000, 200)) <= 200
