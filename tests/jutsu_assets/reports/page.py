"""A page as its reader has it: texts and attributes."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

HOSTILE = '<script>alert("x")</script>&'
CELLS = ("td", "th", "tr")
ENDED_BY = {"td": ("td", "th"), "th": ("td", "th"), "tr": CELLS}
HOLDS_CELLS = ("tr", "tbody", "thead", "tfoot")
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Collects the text and attributes of a page, and refuses tags that do not nest.

    Cells and rows of a table need no end, as HTML has it.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        for closed in ENDED_BY.get(tag, ()):
            if self.open[-1] == closed:
                self.open.pop()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        while tag in HOLDS_CELLS and self.open[-1] in CELLS and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def check_that_it_stands_alone(html: str) -> None:
    """Check that a page asks for nothing, and that its own policy forbids what is not in it."""
    page = Page(html)
    assert not {*page.tags} & {"link", "img", "iframe", "object", "embed", "base"}
    loading = [value for _, name, value in page.attributes if name in ("src", "href", "action")]
    assert all(value.startswith("#") or re.fullmatch(r"[\w@%.-]+\.html", value) for value in loading)
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg\")", html)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    policy = next(value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0]
    for script in re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL):
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
