"""Colours by their meaning, for a light and for a dark page.

Blue and orange come first, because colour-blind people can tell them apart. Marks
differ in shape, too, bars have names, and steps go from light to dark. A page has a CSS
variable for each colour. A plot is drawn in the colours of LIGHT, and `svg` replaces
them by the names of the variables.
"""

LIGHT = {
    "ink": "#1c2128",
    "muted": "#59626d",
    "grid": "#dfe3e8",
    "surface": "#fefefe",
    "panel": "#f5f7f9",
    "values": "#0b62a8",
    "signs": "#c24e00",
    "third": "#0a7d68",
    "fourth": "#9a3f94",
    "full": "#747d87",
    "step-1": "#78abdc",
    "step-2": "#3f87ca",
    "step-3": "#1b5fa6",
    "step-4": "#0a2f5c",
}
DARK = {
    "ink": "#e8edf2",
    "muted": "#a3adb8",
    "grid": "#333b45",
    "surface": "#12161b",
    "panel": "#1b2128",
    "values": "#62b3f4",
    "signs": "#f79a54",
    "third": "#3ecfb0",
    "fourth": "#de93d9",
    "full": "#929ba6",
    "step-1": "#3571ad",
    "step-2": "#5f9fdc",
    "step-3": "#9cc8f2",
    "step-4": "#e1f0ff",
}

STEPS = tuple(LIGHT[f"step-{i}"] for i in (1, 2, 3, 4))
"""Colours from few candidates to many: darker on white, lighter on black."""
