"""How much the surface of a face looks like skin before a lens rather than like paper or a screen.

Knows one picture of a face: local binary patterns in three channels, its spectrum, and a logistic
model of them whose numbers come from a file. Paper and screens differ by camera, light and maker,
and so does skin: a model holds for the camera whose pictures it was fitted on, and says little
about another. It is one layer of several (`models.face.liveness`, `models.face.temporal`).
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct
from PIL import Image

from models import files
from models.face import picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.face.mesh import Mesh

FOLDER: Final = Path(__file__).parents[1] / "textures"
SHIPPED: Final = "rendered"
NAME: Final = "texture.json"
"""A file of this name among the model files is an operator's own, and used instead."""
ID_HEX_DIGITS: Final = 12
PIPELINE: Final = "lbp-spectrum-1"
"""Names how features come about: a model holds for no other."""
MAX_BYTES: Final = 8 * 1024 * 1024

SIDE: Final = 128
EYES_PX: Final = 52.0
EYES_Y: Final = 46.0
"""In the square: the distance of the eyes and how far down they lie."""
RADII: Final = (1, 2)
NEIGHBOURS: Final = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
BINS: Final = 10
"""Uniform patterns by their number of ones, 0 to 8, and all others together."""
OVAL: Final = (0.42, 0.47)
"""The half axes of the part that counts, in sides of the square."""
BANDS: Final = 16
CALM: Final = 3
"""Luma steps between neighbours that count as none: a sensor's noise."""
FEATURES: Final = 3 * len(RADII) * BINS + BANDS + 6
LIMIT: Final = 6.0
"""Spreads from the middle: beyond what was seen, a feature says no more than there."""
MOST: Final = 32.0
"""No feature is further from 0: the logarithm of all the power that a square can have is less."""
LEAST_SPREAD: Final = 1e-6
MAX_WEIGHT: Final = 100.0
MAX_BIAS: Final = 1000.0


class TextureError(ValueError):
    """A file is no texture model, or there is none.

    Attributes:
        why: "missing", "unreadable", "pipeline", or "takes_all" for one that tells nothing apart.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"texture model: {why}")
        self.why = why


Numbers = Annotated[tuple[float, ...], Meta(min_length=FEATURES, max_length=FEATURES)]


class Fitted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model was fitted on.

    Attributes:
        set: what the operator calls it.
        bona_fide: so many pictures of people.
        attack: so many of each kind of attack.
        pictures: the first 16 hex digits of each file's SHA-256.
        commit: of the program, 40 hex digits, or "unknown".
        limits: what it is no proof of.
    """

    set: Annotated[str, Meta(max_length=256)]
    bona_fide: Annotated[int, Meta(ge=1)]
    attack: Annotated[dict[str, int], Meta(max_length=256)]
    pictures: Annotated[tuple[str, ...], Meta(max_length=200_000)]
    commit: Annotated[str, Meta(max_length=40)]
    limits: Annotated[str, Meta(max_length=2_000)]


class Texture(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A logistic model of texture.

    Attributes:
        pipeline: how its features come about.
        middle: of each feature; at most `MOST` from 0.
        spread: of each feature, `LEAST_SPREAD` to `MOST`.
        weights: of each feature once it is centred and scaled; at most `MAX_WEIGHT` from 0.
        bias: added; at most `MAX_BIAS` from 0.
        threshold: a picture whose log-odds reach it looks like skin; one of the log-odds that
            features within `MOST` can come to, and not the least.
        fitted: on what.
        version: of this form.
    """

    pipeline: str
    middle: Numbers
    spread: Numbers
    weights: Numbers
    bias: float
    threshold: float
    fitted: Fitted
    version: Literal[1] = 1

    def __post_init__(self) -> None:
        """Refuse numbers that no features lead to, and a threshold that no picture is about."""
        bounds = (self.middle, MOST), (self.weights, MAX_WEIGHT), ((self.bias,), MAX_BIAS)
        if not all(abs(each) <= most for numbers, most in bounds for each in numbers):
            raise ValueError("a number is out of bounds")
        if not all(LEAST_SPREAD <= each <= MOST for each in self.spread):
            raise ValueError("a spread is out of bounds")
        least, most = self._range()
        if not least < self.threshold <= most:
            raise ValueError("every picture reaches the threshold, or none can")

    def _range(self) -> tuple[float, float]:
        """Return the least and the most that features can come to, whatever else holds of them."""
        middle, spread = np.array(self.middle), np.array(self.spread)
        ends = np.clip((np.array([[-MOST], [MOST]]) - middle) / spread, -LIMIT, LIMIT)
        odds = ends * np.array(self.weights)
        return float(odds.min(axis=0).sum()) + self.bias, float(odds.max(axis=0).sum()) + self.bias

    def score(self, features: NDArray[np.float64]) -> float:
        """Return the log-odds that it is skin: above 0 rather, below 0 rather not.

        Args:
            features: (`FEATURES`,), as `features_of` returns them.
        """
        scaled = (features - np.array(self.middle)) / np.array(self.spread)
        return float(np.clip(scaled, -LIMIT, LIMIT) @ np.array(self.weights) + self.bias)


def parse(raw: bytes) -> Texture:
    """Read a texture model.

    Raises:
        TextureError: it is too long, no JSON, has an unknown, missing or ill-typed field, a
            threshold that tells nothing apart, or its features come about in another way.
    """
    if len(raw) > MAX_BYTES:
        raise TextureError("unreadable")
    try:
        found = msgspec.json.decode(raw, type=Texture)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TextureError("unreadable") from error
    if found.pipeline != PIPELINE:
        raise TextureError("pipeline")
    return found


def encode(texture: Texture) -> bytes:
    """Return a model as its file: JSON, one field a line."""
    return msgspec.json.format(msgspec.json.encode(texture), indent=1) + b"\n"


def load(path: Path) -> Texture:
    """Read a model's file, as an operator's own. Raises TextureError."""
    return require_sight(parse(_read(path)))


def require_sight(model: Texture) -> Texture:
    """Return the model if there is a surface that it does not take for skin.

    Surfaces as unlike skin as can be, and unlike each other, do not all look like it to a model
    that tells anything apart.

    Raises:
        TextureError: it takes all of `surfaces` for skin.
    """
    if all(model.score(each) >= model.threshold for each in surfaces()):
        raise TextureError("takes_all")
    return model


@cache
def surfaces() -> tuple[NDArray[np.float64], ...]:
    """Return the features of flat grey, of coarse and fine gratings, of a soft slope, of noise."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    levels = (
        np.full((SIDE, SIDE), 128),
        *(128 + 60 * np.cos(2 * np.pi * columns / period) for period in (2, 4, 16)),
        60 + rows,
        np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)),
    )
    return tuple(
        _features(np.repeat(each.astype(np.uint8)[..., None], 3, axis=2)) for each in levels
    )


def _read(path: Path) -> bytes:
    try:
        return files.read(path, limit=MAX_BYTES)
    except OSError as error:
        raise TextureError("missing") from error


class Found(NamedTuple):
    """A model, and which it is.

    Attributes:
        texture: what it says.
        id: how records name it: "rendered", or "site-texture" if it is an operator's own, and the
            first 12 hex digits of its file's SHA-256.
    """

    texture: Texture
    id: str


def shipped() -> Texture:
    """Return the model that comes with the program. Raises TextureError."""
    return _shipped().texture


@cache
def _shipped() -> Found:
    return _found(FOLDER / f"{SHIPPED}.json", SHIPPED)


def _found(path: Path, name: str) -> Found:
    raw = _read(path)
    return Found(parse(raw), f"{name}-{hashlib.sha256(raw).hexdigest()[:ID_HEX_DIGITS]}")


def _own(path: Path) -> Found:
    found = _found(path, "site-texture")
    require_sight(found.texture)
    return found


def find(models: Path) -> Texture:
    """Return the operator's own model if it lies among the model files, else the shipped one.

    Raises:
        TextureError: there is one, and it is none.
    """
    return identify(models).texture


def identify(models: Path) -> Found:
    """Return what `find` finds, and which it is.

    Raises:
        TextureError: there is one, and it is none, or tells nothing apart.
    """
    own = models / NAME
    # A link that leads nowhere was laid there by somebody: that is no reason to take another.
    return _own(own) if os.path.lexists(own) else _shipped()


def is_laxer(texture: Texture) -> bool:
    """Return whether it takes lower log-odds for skin than the shipped model does.

    Log-odds of two models are alike in what they mean to say, not in whom they rest on: whether it
    lets more attacks through is for pictures to show. Raises TextureError: there is no shipped one.
    """
    return texture.threshold < shipped().threshold


def features_of(rgb: NDArray[np.uint8], mesh: Mesh) -> NDArray[np.float64]:
    """Return what is measured of a face's surface.

    Args:
        rgb: (H, W, 3) uint8, RGB.
        mesh: of the face.

    Returns:
        (`FEATURES`,) float64: shares of patterns by channel and radius, the spectrum's bands in
        nepers about their mean, how far single frequencies stand out, and how colour varies.

    Raises:
        PictureError: it is no such array.
    """
    picture.check(rgb)
    return _features(_square(rgb, mesh))


def _features(square: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what is measured of (`SIDE`, `SIDE`, 3) uint8, RGB, eyes level."""
    channels = np.asarray(Image.fromarray(square).convert("YCbCr"), dtype=np.int16)
    shares = [_patterns(channels[..., channel], radius) for channel in range(3) for radius in RADII]
    luma = channels[..., 0].astype(np.float64)
    colours = channels[..., 1:][_INSIDE].astype(np.float64)
    varied = np.log1p(np.append(colours.std(axis=0), luma[_INSIDE].std()))
    return np.concatenate([*shares, *_spectrum(luma), varied])


def _square(rgb: NDArray[np.uint8], mesh: Mesh) -> NDArray[np.uint8]:
    """Return the face with its eyes level, in a square."""
    places = np.array([[SIDE - EYES_PX, 2 * EYES_Y], [SIDE + EYES_PX, 2 * EYES_Y]]) / 2
    return picture.cut(rgb, picture.similarity(places, mesh.eyes), side=SIDE)


def _patterns(channel: NDArray[np.int16], radius: int) -> NDArray[np.float64]:
    """Return the share of each pattern in the oval: (`BINS`,), sum 1."""
    least = channel[radius:-radius, radius:-radius] + np.int16(CALM)
    code = np.zeros(least.shape, dtype=np.uint8)
    for place, (down, along) in enumerate(NEIGHBOURS):
        rows = slice(radius + down * radius, SIDE - radius + down * radius)
        columns = slice(radius + along * radius, SIDE - radius + along * radius)
        code |= (channel[rows, columns] >= least).astype(np.uint8) << np.uint8(place)
    inside = _INSIDE[radius:-radius, radius:-radius]
    counts = np.bincount(_PATTERN_BINS[code[inside]], minlength=BINS).astype(np.float64)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _spectrum(luma: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log power by band about its mean, and how single frequencies stand out."""
    power = np.abs(np.fft.rfft2((luma - luma.mean()) * _WINDOW)) ** 2 + 1.0
    values = power[_BAND_ROWS, _BAND_COLUMNS]
    total = np.add.reduceat(values, _BAND_BEGINS) / np.diff(_BAND_BEGINS, append=len(values))
    logs = np.log(total)
    peaks = np.log(np.maximum.reduceat(values, _BAND_BEGINS) / total)
    thirds = (BANDS // 4, BANDS // 2, 3 * BANDS // 4)
    stand_out = [float(each.max()) for each in np.split(peaks, thirds)[1:]]
    return logs - logs.mean(), np.array(stand_out)


def _pattern_bins() -> NDArray[np.intp]:
    codes = np.arange(256)
    bits = (codes[:, None] >> np.arange(8)) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    return np.where(uniform, bits.sum(axis=1), BINS - 1)


def _bands() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of frequencies in order of their band, and where bands begin."""
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]) * SIDE
    rows, columns = np.nonzero((radius >= 2) & (radius < SIDE / 2))
    band = ((radius[rows, columns] - 2) / (SIDE / 2 - 2) * BANDS).astype(np.intp)
    order = np.argsort(band, kind="stable")
    return rows[order], columns[order], np.flatnonzero(np.diff(band[order], prepend=-1))


_PATTERN_BINS: Final = _pattern_bins()
_WINDOW: Final = np.outer(np.hanning(SIDE), np.hanning(SIDE))
_BAND_ROWS, _BAND_COLUMNS, _BAND_BEGINS = _bands()
_INSIDE: Final = (
    np.hypot(
        (np.arange(SIDE)[None] + 0.5 - SIDE / 2) / (OVAL[0] * SIDE),
        (np.arange(SIDE)[:, None] + 0.5 - SIDE / 2) / (OVAL[1] * SIDE),
    )
    <= 1
)
