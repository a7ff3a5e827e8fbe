"""Colours by their meaning, for a light and for a dark page.

A colour of INDEXES means one index on the whole page, so nothing else has it. Blue and
orange come first, because colour-blind people can tell them apart. Marks differ in
shape, too, bars have names, and steps go from light to dark. A page has a CSS variable
for each colour. A plot is drawn in the colours of LIGHT, and `svg` replaces them by the
names of the variables.
"""

LIGHT = {
    "ink": "#1c2128",
    "muted": "#59626d",
    "grid": "#dfe3e8",
    "surface": "#fefefe",
    "panel": "#f5f7f9",
    "shade": "#a9b2bc",
    "alert": "#b3123a",
    "values": "#0b62a8",
    "signs": "#c24e00",
    "third": "#0a7d68",
    "fourth": "#9a3f94",
    "fifth": "#6b6b00",
    "sixth": "#d1376f",
    "full": "#747d87",
    "step-1": "#4aa08e",
    "step-2": "#1f7f6c",
    "step-3": "#0a5a4b",
    "step-4": "#03302a",
}
DARK = {
    "ink": "#e8edf2",
    "muted": "#a3adb8",
    "grid": "#333b45",
    "surface": "#12161b",
    "panel": "#1b2128",
    "shade": "#56616d",
    "alert": "#ff8f9c",
    "values": "#62b3f4",
    "signs": "#f79a54",
    "third": "#3ecfb0",
    "fourth": "#de93d9",
    "fifth": "#c9c23a",
    "sixth": "#ff8fb3",
    "full": "#929ba6",
    "step-1": "#2b7f6e",
    "step-2": "#4fb39d",
    "step-3": "#93dcc9",
    "step-4": "#dff7f0",
}

INDEXES = ("values", "signs", "fourth", "fifth", "sixth")
"""Colours of indexes. `full` is the colour of an index over full vectors."""

STEPS = tuple(LIGHT[f"step-{i}"] for i in (1, 2, 3, 4))
"""Colours from few candidates to many: darker on white, lighter on black."""
