"""Make docs/images from the running screens: `python docs/pictures.py`.

The citizen's app runs headless on views as a station gives them; what it draws is exported and
set in the kiosk's own font. No picture shows a face.
"""

from __future__ import annotations

import asyncio
import html
import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cairosvg

from kiosk.session.prompts import CheckName, CheckState, Delivery, Prompt
from kiosk.station.view import Around, CheckLine, Screen, ViewModel
from kiosk.tui.citizen import CitizenApp
from wire.reasons import Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiosk.session.events import Event

IMAGES: Final = Path(__file__).parent / "images"
MAX_BYTES: Final = 200_000
CELLS: Final = (64, 20)
PIXELS: Final = (20, 40)
"""Of a cell in a picture."""
CELL_W: Final = 12.2
CELL_H: Final = 24.4
"""Of an exported cell."""
ADVANCE_EM: Final = 0.6
"""Of a character in Noto Sans Mono."""
INSIDE: Final = '<g transform="translate(9, 41)"'
"""Where the cells begin in the exported window."""
TOP: Final = 1.5
"""Of the first row there."""
RISE: Final = 18.5
"""From the top of a cell to its base line."""
BLOCKS: Final = {
    "█": (0, 0, 1, 1),
    "▀": (0, 0, 1, 0.5),
    "▄": (0, 0.5, 1, 1),
    "▌": (0, 0, 0.5, 1),
    "▐": (0.5, 0, 1, 1),
    "│": (0.44, -0.06, 0.55, 1.06),
}
"""Which part of its cell a character fills: left, top, right, bottom."""
_TEXT: Final = re.compile(
    r'<text class="(?P<class>[^"]*)" x="(?P<x>[^"]*)" y="(?P<y>[^"]*)"[^>]*>'
    r"(?P<content>[^<]*)</text>"
)
AROUND: Final = Around(
    online=True, policy="hcm-2026-11", policy_days_left=40, trust_days=3, simulated=True
)


def _check(name: CheckName, state: CheckState = CheckState.PASSED) -> CheckLine:
    return CheckLine(name, state)


VIEWS: Final = {
    "welcome": ViewModel(Screen.WELCOME, Prompt.PLACE_CARD, AROUND),
    "key": ViewModel(Screen.KEY, Prompt.ENTER_KEY, AROUND, step=1, attempts_left=3),
    "reading": ViewModel(Screen.READING, Prompt.HOLD_CARD_STILL, AROUND, step=2, progress=0.62),
    "face": ViewModel(Screen.FACE, Prompt.TURN_LEFT, AROUND, step=3),
    "ahead": ViewModel(Screen.FACE, Prompt.LOOK_AHEAD, AROUND, step=3, hint=Reason.QUALITY_SIZE),
    "finger": ViewModel(
        Screen.FINGER, Prompt.PLACE_FINGER, AROUND, step=3, finger=2, hint=Reason.QUALITY_FINGER_DRY
    ),
    "checking": ViewModel(Screen.CHECKING, Prompt.CHECKING, AROUND, step=3),
    "accepted": ViewModel(
        Screen.VERDICT,
        Prompt.ACCEPTED,
        AROUND,
        step=4,
        progress=1.0,
        outcome=Outcome.ACCEPTED,
        checks=(
            _check(CheckName.ISSUER),
            _check(CheckName.CHIP),
            _check(CheckName.LIVE),
            _check(CheckName.FACE),
            _check(CheckName.FINGER),
        ),
        delivery=Delivery.STORED,
        receipt="N-17",
    ),
    "desk": ViewModel(
        Screen.VERDICT,
        Prompt.GO_TO_DESK,
        AROUND,
        step=4,
        progress=1.0,
        outcome=Outcome.REFERRED,
        delivery=Delivery.STORED,
        receipt="N-18",
    ),
}
"""One of each screen; the README shows five of them."""

KEYS: Final = {"key": ("9", "9", "9")}
"""What is typed before a picture is taken."""
SHOWN: Final = ("welcome", "key", "face", "finger", "accepted")


class StillStation:
    """A station that shows one view for ever."""

    def __init__(self, view: ViewModel) -> None:
        self._view = view

    def view(self) -> ViewModel:
        """Return it."""
        return self._view

    def subscribe(self, _: Callable[[ViewModel], None], /) -> Callable[[], None]:
        """Never call back."""
        return lambda: None

    def post(self, event: Event, /) -> None:
        """Take no notice."""


async def draw(view: ViewModel, *, cells: tuple[int, int], keys: tuple[str, ...] = ()) -> str:
    """Return a screen as SVG, without a window around it."""
    app = CitizenApp(StillStation(view))
    app.animation_level = "none"
    async with app.run_test(size=cells) as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        return app.export_screenshot(simplify=True)


def to_png(svg: str, *, cells: tuple[int, int]) -> bytes:
    """Set an exported screen in the kiosk's font, without the window around it, and draw it.

    Lines are not clipped: a tone mark above a capital reaches into the line above, and without it
    the word is another one.
    """
    style = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    style = style[style.index("<style>") : style.index("</style>")]
    style = style.replace("Fira Code", "Noto Sans Mono")
    style = style.replace("font-size: 20px", f"font-size: {CELL_W / ADVANCE_EM:.3f}px")
    content = svg[svg.index(INSIDE) : svg.rindex("</svg>")]
    content = re.sub(r'<g transform="translate\(9, 41\)"[^>]*>', "<g>", content, count=1)
    content = re.sub(r' clip-path="[^"]*"', "", content)
    content = _TEXT.sub(_blocks_as_shapes, content)
    width, height = (count * pixels for count, pixels in zip(cells, PIXELS, strict=True))
    box = f"0 {TOP} {cells[0] * CELL_W:g} {cells[1] * CELL_H:g}"
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="{box}">{style}</style>{content}</svg>'
    )
    png: bytes = cairosvg.svg2png(bytestring=whole.encode())
    return png


def _blocks_as_shapes(text: re.Match[str]) -> str:
    """Return a run of text with its blocks drawn as a terminal does: up to the cell's edge."""
    x, y, content = float(text["x"]), float(text["y"]), html.unescape(text["content"])
    shapes, at = [], 0
    for character, run in groupby(content):
        count = len(list(run))
        if part := BLOCKS.get(character):
            left, top, right, bottom = part
            shapes.append(
                f'<rect class="{text["class"]}" shape-rendering="crispEdges" '
                f'x="{x + (at + left) * CELL_W:.3f}" y="{y - RISE + top * CELL_H:.3f}" '
                f'width="{(count - 1 + right - left) * CELL_W:.3f}" '
                f'height="{(bottom - top) * CELL_H:.3f}"/>'
            )
        at += count
    plain = "".join("\N{NO-BREAK SPACE}" if each in BLOCKS else each for each in content)
    return text[0].replace(text["content"], html.escape(plain)) + "".join(shapes)


def main() -> None:
    """Write the pictures.

    Raises:
        ValueError: one is larger than a README should load.
    """
    IMAGES.mkdir(exist_ok=True)
    for name in SHOWN:
        png = to_png(
            asyncio.run(draw(VIEWS[name], cells=CELLS, keys=KEYS.get(name, ()))), cells=CELLS
        )
        if len(png) > MAX_BYTES:
            raise ValueError(f"{name}: {len(png)} bytes")
        path = IMAGES / f"kiosk-{name}.png"
        path.write_bytes(png)
        print(path.name, len(png), "bytes")


if __name__ == "__main__":
    main()
