"""The colours of all screens: black on white, and four that carry meaning beside a word.

Every pair that text is drawn in has a contrast of at least 7:1; a test reads it off the running
screens. Knows colours. Style sheets know where they go.
"""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

THEME: Final = Theme(
    name="tram",
    primary="#8b0000",
    secondary="#1c1c1c",
    accent="#ffdd00",
    success="#00512b",
    warning="#ffdd00",
    error="#8b0000",
    foreground="#000000",
    background="#ffffff",
    surface="#ffffff",
    panel="#e4e4e4",
    dark=False,
    variables={
        "ink": "#000000",
        "paper": "#ffffff",
        "quiet": "#3a3a3a",
        "mist": "#e4e4e4",
        "keycap": "#1c1c1c",
        "signal": "#8b0000",
        "good": "#00512b",
        "notice": "#ffdd00",
    },
)
