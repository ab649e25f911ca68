"""What each model file is, where it comes from, what is doubtful about it, and if it is intact.

Knows the manifests beside it, one JSON file a model, and the SHA-256 that a model's bytes must
have. Does not know how a file is fetched (provisioning.weights) nor what a net computes.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from models.runtime import MAX_MODEL_BYTES, ModelError

FOLDER: Final = Path(__file__).parent / "manifests"
SUFFIX: Final = ".tflite"
ID_HEX_DIGITS: Final = 12

Role = Literal["detect", "mesh", "embed", "iris"]
Name = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,39}\Z")]
SHA256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Shape = Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1, max_length=6)]


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """The registry package that holds the file.

    Attributes:
        registry: whose package it is: "pypi" (pinned by hash in requirements/models.txt) or "npm"
            (checked by npm against its registry, and here by the file's own hash).
        package: its name.
        version: its version.
        path: the file inside it, from the archive's root.
        sha256: of that file as it lies there.
    """

    registry: Literal["pypi", "npm"]
    package: str
    version: str
    path: str
    sha256: SHA256


class Licence(Struct, frozen=True, forbid_unknown_fields=True):
    """Under which terms the weights may be used.

    Attributes:
        expression: the licence, package first, then what it is derived from.
        clean: whether every link of that chain is stated by who could state it.
    """

    expression: str
    clean: bool


class Preprocessing(Struct, frozen=True, forbid_unknown_fields=True):
    """How pixels become the net's input: (value - offset) / scale.

    Attributes:
        colours: the order of the channels.
        offset: subtracted from each 0..255 value.
        scale: what the difference is divided by.
        crop: how the region is chosen, in words.
    """

    colours: Literal["RGB"]
    offset: float
    scale: Annotated[float, Meta(gt=0)]
    crop: str


class Threshold(Struct, frozen=True, forbid_unknown_fields=True):
    """At this cosine or above, two pictures of different people are this rare.

    Attributes:
        fmr: nominal false match rate, a fraction.
        cosine: the threshold, -1..1.
    """

    fmr: Annotated[float, Meta(gt=0, lt=1)]
    cosine: Annotated[float, Meta(ge=-1, le=1)]


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds by nominal false match rate, and what they rest on.

    Attributes:
        thresholds: falling rates, rising cosines.
        source: on whom they were measured.
        limits: what they do not prove.
    """

    thresholds: Annotated[tuple[Threshold, ...], Meta(min_length=1)]
    source: str
    limits: str

    def __post_init__(self) -> None:
        rates = [each.fmr for each in self.thresholds]
        cosines = [each.cosine for each in self.thresholds]
        if rates != sorted(set(rates), reverse=True) or cosines != sorted(set(cosines)):
            raise ValueError("thresholds must rise as their rates fall")

    def cosine_at(self, fmr: float) -> float:
        """Return the threshold for a nominal false match rate.

        Raises:
            KeyError: there is none for exactly that rate; nothing is interpolated.
        """
        for each in self.thresholds:
            if each.fmr == fmr:
                return each.cosine
        raise KeyError(fmr)


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that is known about one model file.

    Attributes:
        name: the file is called `name`.tflite.
        role: what it is used for.
        source: where it comes from.
        sha256: of the built file; equal to the source's where nothing is converted.
        size_bytes: its length.
        licence: its terms.
        training_data: what it was trained on, or that this is not documented.
        doubts: what an operator should know before relying on it.
        inputs: the shape of each input, float32.
        outputs: the shape of each output, float32.
        preprocessing: how pixels become its input.
        calibration: for an embedder, its thresholds.
    """

    name: Name
    role: Role
    source: Source
    sha256: SHA256
    size_bytes: Annotated[int, Meta(gt=0, le=MAX_MODEL_BYTES)]
    licence: Licence
    training_data: str
    doubts: tuple[str, ...]
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    preprocessing: Preprocessing
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if (self.role == "embed") != (self.calibration is not None):
            raise ValueError("an embedder, and nothing else, has a calibration")

    @property
    def file_name(self) -> str:
        """The built file's name."""
        return f"{self.name}{SUFFIX}"

    @property
    def id(self) -> str:
        """How records name it: the name and the first 12 hex digits of its hash."""
        return f"{self.name}-{self.sha256[:ID_HEX_DIGITS]}"

    def check(self, content: bytes) -> None:
        """Compare bytes with what the manifest says.

        Raises:
            ModelError: they are others.
        """
        digest = hashlib.sha256(content).hexdigest()
        if len(content) != self.size_bytes or not hmac.compare_digest(digest, self.sha256):
            raise ModelError(self.name, "altered", "the file is not the one in the manifest")


def parse(raw: bytes) -> Manifest:
    """Read one manifest.

    Raises:
        ModelError: it is no JSON, has an unknown, missing or ill-typed field, or contradicts
            itself.
    """
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError("", "unknown", "the manifest cannot be read") from error


@cache
def manifests() -> dict[str, Manifest]:
    """Return the manifests of all models this program knows, by name.

    Raises:
        ModelError: one cannot be read, or stands under another name than its own.
    """
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        manifest = parse(path.read_bytes())
        if manifest.name != path.stem:
            raise ModelError(path.stem, "unknown", "the manifest has another name")
        found[manifest.name] = manifest
    return found


def manifest_of(name: str) -> Manifest:
    """Return one model's manifest.

    Raises:
        ModelError: there is none of that name.
    """
    try:
        return manifests()[name]
    except KeyError as error:
        raise ModelError(name, "unknown", "no manifest") from error


def load_verified(directory: Path, name: str) -> bytes:
    """Return a model's bytes, which are exactly those its manifest names.

    Args:
        directory: where the built files lie.
        name: the model's.

    Raises:
        ModelError: the model is unknown, its file is missing, or it has other bytes.
    """
    manifest = manifest_of(name)
    try:
        with (directory / manifest.file_name).open("rb") as file:
            content = file.read(manifest.size_bytes + 1)
    except OSError as error:
        raise ModelError(name, "missing", "its file cannot be read") from error
    manifest.check(content)
    return content
