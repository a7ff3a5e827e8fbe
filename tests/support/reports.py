"""Pages of results, read as HTML and shown by Chromium."""

import re
import shutil
import subprocess
from collections import Counter
from html import escape
from html.parser import HTMLParser
from pathlib import Path

from support.missing import missing

CHROMIUM = shutil.which("chromium")
VOID = {"meta", "br", "hr", "img", "link", "input", "wbr"}


class Read(HTMLParser):
    """Elements in order, and errors in their nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.said = ""
        self.feed(text)
        self.wrong += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.said += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def sound(text: str) -> Read:
    """The page, after checks that every page must pass."""
    found = Read(text)
    assert found.wrong == []
    ids = Counter(a["id"] for _, a in found.elements if "id" in a)
    assert [name for name, count in ids.items() if count > 1] == []
    for drawn in found.all("svg"):
        names = (drawn["aria-labelledby"] or "").split()
        assert drawn["role"] == "img"
        assert len(names) == 2
        assert set(names) <= set(ids)
    for _, attributes in found.elements:
        for value in attributes.values():
            for name in re.findall(r"url\(#([^)]*)\)", value or ""):
                assert name in ids
        if "href" in attributes:
            assert (attributes["href"] or "").removeprefix("#") in ids
    return found


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


# ------------------------------------------------------------------ in a browser

LOOK = """<script>
for (const one of document.querySelectorAll("details")) one.open = true;
const over = [...document.querySelectorAll("main *")].filter(
  e => !e.closest(".wide, svg, .unseen") &&
    e.getBoundingClientRect().right > innerWidth + 1);
const cut = [...document.querySelectorAll(".wide")].filter(
  e => e.scrollWidth > e.clientWidth + 1);
const moved = cut.filter(e => e.closest(".examples"));
const silent = cut.filter(e => {
  e.scrollLeft = e.scrollWidth;
  const cue = e.previousElementSibling, shade = getComputedStyle(e).backgroundImage;
  const scrolls = e.scrollLeft + e.clientWidth >= e.scrollWidth - 1;
  return !(scrolls && shade.includes("gradient") && cue?.offsetHeight > 0);
});
parent.document.title += ` ${innerWidth},${document.documentElement.scrollWidth},` +
  `${over.length + moved.length + silent.length},${cut.length}`;
console.log("looked");
</script></body>"""

CLICK = """<script>
const clipboard = [], said = [];
Object.defineProperty(navigator, "clipboard", {value: {writeText: async text => {
  if (clipboard.length > 2) throw new Error("refused");
  clipboard.push(text);
}}});
document.execCommand = () => {
  clipboard.push(getSelection().toString());
  return false;
};
(async () => {
  for (const button of document.querySelectorAll("button")) {
    button.click();
    // no timer, because the page is read when it has loaded
    for (let turn = 0; turn < 20; turn++) await null;
    said.push(button.innerText, button.nextElementSibling.innerText);
  }
  document.title = JSON.stringify({clipboard, said});
})();
</script></body>"""


def with_script(text: str, script: str) -> str:
    """The page with another script at its end, which the page's own rule forbids."""
    assert text.count("</body>") == 1
    return re.sub("<meta http-equiv[^>]*>", "", text).replace("</body>", script)


def looked_at(text: str, *widths: int) -> str:
    """A page that shows another at some widths, and puts measurements in its title.

    The title has for each width the width, the width that the inner page needs, how
    many elements are wrong, and how many tables scroll. An element is wrong if it is
    too wide. A table may scroll in its own frame if that is shown, unless it is an
    example. The page is in frames, because a window is never narrower than 500 pixels.
    """
    page = escape(with_script(text, LOOK))
    frames = [
        f'<iframe style="width:{width}px;height:2000px;border:0" srcdoc="{page}">'
        "</iframe>"
        for width in widths
    ]
    return f"<!DOCTYPE html><title></title>{''.join(frames)}"


def browse(file: Path, *options: str) -> tuple[str, list[str]]:
    """The output of Chromium for a file, and the messages of the page's console."""
    if CHROMIUM is None:
        missing("Chromium is not installed: .ci/browser")
    command = [CHROMIUM, "--headless", "--disable-gpu", "--enable-logging=stderr"]
    # Chromium does not start as root otherwise
    command += ["--no-sandbox", f"--user-data-dir={file.parent / 'profile'}"]
    done = subprocess.run(
        [*command, "--hide-scrollbars", *options, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, [x for x in done.stderr.splitlines() if "CONSOLE" in x]
