"""What paper, a screen, a lens and a sensor do to a picture, roughly: for rendered attacks.

Knows pictures and chance. Does not know what is on them. Real printers, screens and cameras differ
from these formulas and from each other: what a detector makes of these pictures shows that it works
as it was meant to, and nothing about an attack that somebody will try.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIGHT = np.array([0.299, 0.587, 0.114])
ROOM_PX = 512
_GRAININESS = (0.5 + np.sqrt(np.arange(256) / 400)).astype(np.float32)
"""Photons come one by one: light is noisier than dark, by its root."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A print.

    Attributes:
        black: the darkest that ink gets, 0..255.
        white: the lightest that paper gets.
        saturation: what ink leaves of colours, 0..1.
        cast: factors of red, green and blue.
        dot_px: the period of the printed dots, in pixels of the frame.
        dots: how deep they are, 0..1.
        angle: of their rows, in radians.
        blur_px: what ink spreads by.
        gloss: how much lighter the shiny side is, in grey levels.
    """

    black: float
    white: float
    saturation: float
    cast: tuple[float, float, float]
    dot_px: float
    dots: float
    angle: float
    blur_px: float
    gloss: float

    @classmethod
    def drawn(cls, chance: np.random.Generator) -> Self:
        """Draw one of the prints that people make at home and in shops."""
        return cls(
            black=chance.uniform(18, 55),
            white=chance.uniform(195, 240),
            saturation=chance.uniform(0.6, 0.95),
            cast=_cast(chance, 0.07),
            dot_px=chance.uniform(2.2, 4.5),
            dots=chance.uniform(0.02, 0.14),
            angle=chance.uniform(0.2, 1.3),
            blur_px=chance.uniform(0.5, 1.4),
            gloss=chance.uniform(0, 22),
        )

    def show(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the print of a picture: (H, W, 3) uint8."""
        soft = _blurred(rgb, self.blur_px).astype(np.float32)
        grey = soft @ LIGHT.astype(np.float32)
        muted = grey[..., None] + (soft - grey[..., None]) * np.float32(self.saturation)
        toned = self.black + muted * ((self.white - self.black) / 255)
        toned *= np.array(self.cast, dtype=np.float32)
        height, width = rgb.shape[:2]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        along = np.cos(self.angle) * x + np.sin(self.angle) * y
        across = np.cos(self.angle) * y - np.sin(self.angle) * x
        turn = np.float32(2 * np.pi / self.dot_px)
        dots = np.cos(turn * along) * np.cos(turn * across)
        # Ink covers the middle tones with dots, the ends with all or nothing.
        middle = 1 - np.abs(grey / 127.5 - 1)
        toned *= (1 + self.dots * middle * dots)[..., None]
        toned += (self.gloss * (x / width - 0.5))[..., None]
        return np.clip(toned, 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Screen:
    """A telephone, a tablet or a monitor.

    Attributes:
        lift: what its black is, in grey levels.
        contrast: a factor about the middle.
        cast: factors of red, green and blue.
        beat_px: the period in which its grid beats with the sensor's, in pixels of the frame.
        beat: how deep that is, 0..1.
        angle: of the beat, in radians.
        stripes: how many stripes of refresh there are in a frame's height.
        flicker: how deep they are, 0..1.
        hertz: how fast they run.
        blur_px: of a screen that is not quite in focus.
        glare: of a lamp on the glass, in grey levels.
    """

    lift: float
    contrast: float
    cast: tuple[float, float, float]
    beat_px: float
    beat: float
    angle: float
    stripes: float
    flicker: float
    hertz: float
    blur_px: float
    glare: float

    @classmethod
    def drawn(cls, chance: np.random.Generator, *, good: bool = False) -> Self:
        """Draw a screen; a good one neither beats nor flickers."""
        return cls(
            lift=chance.uniform(4, 22),
            contrast=chance.uniform(0.85, 1.2),
            cast=_cast(chance, 0.09),
            beat_px=chance.uniform(2.6, 8.5),
            beat=0.0 if good else chance.uniform(0.03, 0.12),
            angle=chance.uniform(0.25, 1.3) + np.pi / 2 * chance.integers(2),
            stripes=chance.uniform(4, 14),
            flicker=0.0 if good else chance.uniform(0.0, 0.06),
            hertz=chance.uniform(0.7, 4),
            blur_px=chance.uniform(0.3, 1.1),
            glare=chance.uniform(0, 30),
        )

    def show(self, rgb: NDArray[np.uint8], at_s: float = 0.0) -> NDArray[np.uint8]:
        """Return the screen with a picture at an instant: (H, W, 3) uint8."""
        height, width = rgb.shape[:2]
        shown = (_blurred(rgb, self.blur_px).astype(np.float32) - 128) * np.float32(self.contrast)
        shown = (shown + 128) * np.float32(1 - self.lift / 255) + np.float32(self.lift)
        shown *= np.array(self.cast, dtype=np.float32)
        y, x = np.mgrid[:height, :width].astype(np.float32)
        if self.beat:
            turn = np.float32(2 * np.pi / self.beat_px)
            along = turn * (np.cos(self.angle) * x + np.sin(self.angle) * y)
            # The colours of a pixel lie beside each other: each beats a third of a period later.
            for channel in range(3):
                wave = np.cos(along + np.float32(channel * 2 * np.pi / 3))
                shown[..., channel] *= 1 + np.float32(self.beat) * wave
        if self.flicker:
            phase = self.stripes * y[:, :1] / height - self.hertz * at_s
            shown *= (1 + self.flicker * np.cos(2 * np.pi * phase))[..., None].astype(np.float32)
        away = np.hypot(x / width - 0.3, y / height - 0.25)
        shown += (self.glare * np.exp(-((away / 0.18) ** 2)))[..., None].astype(np.float32)
        out: NDArray[np.uint8] = np.clip(shown, 0, 255).astype(np.uint8)
        return out


@dataclass(frozen=True, slots=True)
class Lens:
    """A camera and the light that it works in.

    Attributes:
        exposure: a factor.
        cast: factors of red, green and blue: how white is balanced.
        blur_px: of the lens and of motion.
        noise: standard deviation in grey levels.
        side: how much more light comes from one side, 0..1.
        quality: of the JPEG that it sends; 0: it sends pixels.
    """

    exposure: float
    cast: tuple[float, float, float]
    blur_px: float
    noise: float
    side: float
    quality: int

    @classmethod
    def drawn(cls, chance: np.random.Generator) -> Self:
        """Draw a camera of a public hall."""
        return cls(
            exposure=chance.uniform(0.72, 1.15),
            cast=_cast(chance, 0.08),
            blur_px=chance.uniform(0.0, 0.8),
            noise=chance.uniform(0.8, 4.0),
            side=chance.uniform(-0.25, 0.25),
            quality=int(chance.choice([0, 0, 80, 90, 95])),
        )

    def see(self, rgb: NDArray[np.uint8], chance: np.random.Generator) -> NDArray[np.uint8]:
        """Return what the camera makes of a scene: (H, W, 3) uint8, with noise of its own."""
        width = rgb.shape[1]
        lit = 1 + self.side * np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
        seen = _blurred(rgb, self.blur_px).astype(np.float32) * lit
        seen *= np.array(self.cast, dtype=np.float32) * np.float32(self.exposure)
        seen += _grain(rgb.shape, chance) * _GRAININESS[rgb] * np.float32(self.noise)
        out: NDArray[np.uint8] = np.clip(seen + 0.5, 0, 255).astype(np.uint8)
        return out if self.quality == 0 else _coded(out, self.quality)


def _grain(shape: tuple[int, ...], chance: np.random.Generator) -> NDArray[np.float32]:
    """Return noise of standard deviation 1, cut from a sheet at a place of its own."""
    height, width = shape[:2]
    sheet = _sheet(height + ROOM_PX, width + ROOM_PX)
    down, along = chance.integers(ROOM_PX, size=2)
    cut = sheet[down : down + height, along : along + width]
    upright, aside, turned = chance.choice((-1, 1), size=3)
    return cut[::upright, ::aside] * np.float32(turned)


@lru_cache(maxsize=8)
def _sheet(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((height, width, 3), dtype=np.float32)


def _cast(chance: np.random.Generator, spread: float) -> tuple[float, float, float]:
    red, blue = chance.uniform(1 - spread, 1 + spread, 2)
    return float(red), 1.0, float(blue)


def _blurred(rgb: NDArray[np.uint8], sigma_px: float) -> NDArray[np.uint8]:
    if sigma_px < 0.2:
        return rgb
    soft = Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma_px))
    return np.asarray(soft, dtype=np.uint8)


def _coded(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    with Image.open(out) as opened:
        return np.asarray(opened.convert("RGB"), dtype=np.uint8)
