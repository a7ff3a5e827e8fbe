"""Turns a plot into SVG for a page, with the page's colours and font and unique ids."""

import io
import re
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

from mrl_pg.report.colours import LIGHT

SVG = "http://www.w3.org/2000/svg"
LINK = "http://www.w3.org/1999/xlink"
COLOUR = re.compile("|".join(LIGHT.values()))
VARIABLES = {colour: f"var(--{name})" for name, colour in LIGHT.items()}
FONT = re.compile(r"font: (?:\d+ )?([\d.]+)px [^;]*")


def text(figure: Figure) -> str:
    """The figure as an SVG file, with letters as text, and the same bytes each time."""
    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mrl_pg"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def inline(figure: Figure, name: str, title: str, alt: str) -> str:
    """An `svg` element for a page; screen readers read its title and `alt`."""
    root = ElementTree.fromstring(text(figure))
    for drop in root.findall(f"{{{SVG}}}metadata"):
        root.remove(drop)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key == "id":
                value = f"{name}-{value}"
            elif value.startswith("#"):
                value = f"#{name}-{value[1:]}"
            value = value.replace("url(#", f"url(#{name}-")
            if key == "style":
                value = COLOUR.sub(lambda match: VARIABLES[match[0]], value)
                # the font family comes from the page
                value = FONT.sub(r"font-size: \1px", value)
            element.set(key.removeprefix(f"{{{LINK}}}"), value)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-alt",
    }
    for tag, content in (("desc", alt), ("title", title)):
        label = ElementTree.Element(
            tag, {"id": f"{name}-{'alt' if tag == 'desc' else tag}"}
        )
        label.text = content
        root.insert(0, label)
    return ElementTree.tostring(root, encoding="unicode")
