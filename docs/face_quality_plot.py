"""Small panels of curves as one SVG. Knows lines and letters, not what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS: Final = 4
PANEL_W, PANEL_H = 230, 190
LEFT, TOP, RIGHT, BOTTOM = 42, 28, 12, 30
TICKS: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
STYLE: Final = (
    "text{font:11px sans-serif;fill:#222}.t{font-size:12px}.g{stroke:#ddd}.a{stroke:#555}"
    ".l{stroke:#b30000;stroke-dasharray:4 3}.n{stroke:#7a8ca0;fill:none}"
    ".k{stroke:#0b4f8a;stroke-width:2;fill:none}.kd{fill:#0b4f8a}.nd{fill:#7a8ca0}"
)


@dataclass(frozen=True, slots=True)
class Curve:
    """Points from left to right; y is a rate, 0..1."""

    points: tuple[tuple[float, float], ...]
    thick: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves over one measure, and where its limits stand."""

    title: str
    curves: tuple[Curve, ...]
    limits: tuple[float, ...]


def draw(panels: Sequence[Panel]) -> str:
    """Return the SVG."""
    rows = -(-len(panels) // COLUMNS)
    width, height = COLUMNS * PANEL_W, rows * PANEL_H
    body = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img">'
        ),
        "<title>FNMR by what was measured</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for place, panel in enumerate(panels):
        x, y = place % COLUMNS * PANEL_W, place // COLUMNS * PANEL_H
        body += [f'<g transform="translate({x},{y})">', *_panel(panel), "</g>"]
    return "\n".join([*body, "</svg>"]) + "\n"


def _panel(panel: Panel) -> list[str]:
    seen = [x for curve in panel.curves for x, _ in curve.points] + list(panel.limits)
    low, high = min(seen), max(seen)
    span = (high - low) or 1.0
    low, high = low - 0.05 * span, high + 0.05 * span

    def across(x: float) -> float:
        return LEFT + (x - low) / (high - low) * (PANEL_W - LEFT - RIGHT)

    out = [f'<text class="t" x="{LEFT}" y="16">{escape(panel.title)}</text>']
    for tick in TICKS:
        y = _up(tick)
        out.append(
            f'<line class="g" x1="{LEFT}" x2="{PANEL_W - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        out.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:.0%}</text>')
    for x, anchor in ((low + 0.05 * span, "start"), (high - 0.05 * span, "end")):
        out.append(
            f'<text x="{across(x):.1f}" y="{PANEL_H - BOTTOM + 15}" text-anchor="{anchor}">{x:.3g}'
            "</text>"
        )
    for limit in panel.limits:
        x = across(limit)
        out.append(
            f'<line class="l" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{PANEL_H - BOTTOM}"/>'
        )
    for curve in panel.curves:
        kind = "k" if curve.thick else "n"
        places = [(across(x), _up(y)) for x, y in curve.points]
        out.append(
            f'<polyline class="{kind}" points="'
            + " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            + '"/>'
        )
        out += [f'<circle class="{kind}d" cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>' for x, y in places]
    return out


def _up(rate: float) -> float:
    """Return how far down a rate stands; low rates get more room."""
    return TOP + (1 - rate**0.5) * (PANEL_H - TOP - BOTTOM)
