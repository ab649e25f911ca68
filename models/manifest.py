"""What each model file is, where it comes from, what is doubtful about it, and if it is intact.

Knows the manifests beside it, one JSON file a model, those that an operator put into the models'
folder, and the SHA-256 that a model's bytes must have. Does not know how a file is fetched
(provisioning.weights) nor what a net computes. A supplied manifest is believed as its folder is:
who may write there decides what the kiosk compares with.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from models import files
from models.runtime import MAX_MODEL_BYTES, ModelError

FOLDER: Final = Path(__file__).parent / "manifests"
LICENCES: Final = Path(__file__).parent / "licences"
"""Standard texts, by SPDX identifier, of licences that packages name without carrying them."""
SUFFIX: Final = ".tflite"
ID_HEX_DIGITS: Final = 12
FEED_HEX_DIGITS: Final = 8
SUPPLIED: Final = "supplied"
"""Of the models' folder, the part that an operator fills: NAME/manifest.json, NAME/NAME.tflite."""
MANIFEST: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 64 * 1024
MAX_SUPPLIED: Final = 32
RESERVED: Final = frozenset({"strict"})
"""Names that mean no single model."""

Role = Literal["detect", "mesh", "embed", "iris", "minutiae"]
Name = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,39}(\.[a-z0-9]{1,8})?\Z", max_length=46)]
"""With the kind of its weights behind a dot where there is more than one. So long that what records
say of it fits into 64: "site-", the name, "-" and 12 digits of a hash."""
SHA256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Shape = Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1, max_length=6)]


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """The registry package that holds the file.

    Attributes:
        registry: whose package it is: "pypi" (pinned by hash in requirements/models.txt), "npm"
            (checked by npm against its registry, and here by the file's own hash) or "operator"
            (supplied; nothing is fetched).
        package: its name.
        version: its version.
        path: the file inside it, from the archive's root.
        sha256: of that file as it lies there.
        size_bytes: its length.
    """

    registry: Literal["pypi", "npm", "operator"]
    package: str
    version: str
    path: str
    sha256: SHA256
    size_bytes: Annotated[int, Meta(gt=0, le=MAX_MODEL_BYTES)]


class LicenceText(Struct, frozen=True, forbid_unknown_fields=True):
    """The text of one licence, kept beside the built model.

    Attributes:
        licence: its SPDX identifier.
        path: where it lies inside the source's package; empty: the package carries none, and the
            standard text of that licence is taken (models/licences).
        sha256: of the text.
    """

    licence: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9.-]{0,39}\Z")]
    path: str
    sha256: SHA256


class Licence(Struct, frozen=True, forbid_unknown_fields=True):
    """Under which terms the weights may be used.

    Attributes:
        expression: the licence, package first, then what it is derived from.
        clean: whether every link of that chain is stated by who could state it.
        texts: the licences' texts.
    """

    expression: str
    clean: bool
    texts: Annotated[tuple[LicenceText, ...], Meta(max_length=8)] = ()


class Preprocessing(Struct, frozen=True, forbid_unknown_fields=True):
    """How pixels become the net's input: (value - offset) / scale.

    Attributes:
        colours: the order of the channels; "grey" is one alone.
        offset: subtracted from each 0..255 value; one of them.
        scale: what the difference is divided by, 1..256.
        crop: how the region is chosen, in words.
    """

    colours: Literal["RGB", "grey"]
    offset: Annotated[float, Meta(ge=0, le=255)]
    scale: Annotated[float, Meta(ge=1, le=256)]
    crop: str


class Embedding(Struct, frozen=True, forbid_unknown_fields=True):
    """How an embedder is fed, so that one program runs any.

    Attributes:
        template: where the face must lie (models.face.align).
        mirror: how the mirrored face takes part, whose embedding is added: "slot" in the net's
            second slot, "again" in a second run, "none" not at all.
    """

    template: Literal["arcface-112", "dlib-150"]
    mirror: Literal["slot", "again", "none"]

    @property
    def slots(self) -> int:
        """How many faces one run of the net takes."""
        return 2 if self.mirror == "slot" else 1

    @property
    def side_px(self) -> int:
        """Rows and columns of a face."""
        return int(self.template.rpartition("-")[2])


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that is known about one model file.

    Attributes:
        name: the file is called `name`.tflite.
        role: what it is used for.
        source: where it comes from.
        conversion: how the built file is made of the source's: "none", byte for byte; "dlib-int8",
            dlib's net with weights of 8 bits (provisioning.weights_dlib); "leader-float16" and
            "leader-int8", LEADER with weights of 16 and of 8 bits (provisioning.weights_leader).
        sha256: of the built file; equal to the source's where nothing is converted.
        size_bytes: its length.
        licence: its terms.
        training_data: what it was trained on, or that this is not documented.
        doubts: what an operator should know before relying on it.
        evaluation: what was measured of it, and where that stands.
        card: the page and heading that describe it to people.
        inputs: the shape of each input, float32, as it stands in the file.
        outputs: the shape of each output, float32, likewise.
        preprocessing: how pixels become its input.
        embedding: for an embedder, how it is fed.
        calibration: for an embedder, the file that says what its scores mean (models.calibration);
            None: scores of this net mean nothing yet.
    """

    name: Name
    role: Role
    source: Source
    conversion: Literal["none", "dlib-int8", "leader-float16", "leader-int8"] = "none"
    sha256: SHA256
    size_bytes: Annotated[int, Meta(gt=0, le=MAX_MODEL_BYTES)]
    licence: Licence
    training_data: str
    doubts: tuple[str, ...]
    evaluation: str
    card: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    preprocessing: Preprocessing
    embedding: Embedding | None = None
    calibration: str | None = None

    def __post_init__(self) -> None:
        if (self.role == "embed") != (self.embedding is not None):
            raise ValueError("an embedder, and nothing else, says how it is fed")
        if self.conversion == "none" and (self.sha256, self.size_bytes) != (
            self.source.sha256,
            self.source.size_bytes,
        ):
            raise ValueError("what is not converted is the same file")
        if self.embedding is not None:
            self._check_embedder(self.embedding)

    def _check_embedder(self, embedding: Embedding) -> None:
        if self.preprocessing.colours != "RGB":
            raise ValueError("an embedder is fed three colours")
        slots, side = embedding.slots, embedding.side_px
        if self.inputs != ((slots, side, side, 3),):
            raise ValueError("the input is not that of the template")
        if len(self.outputs) != 1 or len(self.outputs[0]) != 2 or self.outputs[0][0] != slots:
            raise ValueError("the output is not one embedding a slot")

    @property
    def file_name(self) -> str:
        """The built file's name."""
        return f"{self.name}{SUFFIX}"

    @property
    def id(self) -> str:
        """How records name it: the name and the first 12 hex digits of its hash."""
        return f"{self.name}-{self.sha256[:ID_HEX_DIGITS]}"

    @property
    def feed(self) -> str:
        """How calibrations name the way in which pixels reach the net: 8 hex digits.

        Of the SHA-256 of what is computed from an aligned face; the same weights that are fed
        otherwise give other scores. What is told in words has no part in it.
        """
        how, embedding = self.preprocessing, self.embedding
        plain: dict[str, str | float] = {
            "colours": how.colours, "offset": how.offset, "scale": how.scale,
        }  # fmt: skip
        if embedding is not None:
            plain |= {"template": embedding.template, "mirror": embedding.mirror}
        return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:FEED_HEX_DIGITS]

    def check(self, content: bytes) -> None:
        """Compare bytes with what the manifest says.

        Raises:
            ModelError: they are others.
        """
        digest = hashlib.sha256(content).hexdigest()
        if len(content) != self.size_bytes or not hmac.compare_digest(digest, self.sha256):
            raise ModelError(self.name, "altered", "the file is not the one in the manifest")


class Supplied(NamedTuple):
    """A model that an operator put into the models' folder.

    Attributes:
        manifest: what he says that it is.
        folder: where its two files lie.
    """

    manifest: Manifest
    folder: Path


def parse(raw: bytes) -> Manifest:
    """Read one manifest.

    Raises:
        ModelError: it is too long, no JSON, has an unknown, missing or ill-typed field, or
            contradicts itself.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise ModelError("", "unknown", "the manifest is too long")
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError("", "unknown", "the manifest cannot be read") from error


@cache
def manifests() -> dict[str, Manifest]:
    """Return the manifests of all models that this program comes with, by name.

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
    """Return the manifest of a model that this program comes with.

    Raises:
        ModelError: there is none of that name.
    """
    try:
        return manifests()[name]
    except KeyError as error:
        raise ModelError(name, "unknown", "no manifest") from error


def supplied(directory: Path) -> dict[str, Supplied]:
    """Return the models that an operator put into the models' folder, by name.

    Args:
        directory: where the built files lie; its part `SUPPLIED` is read, if there is one.

    Raises:
        ModelError: there are more than `MAX_SUPPLIED`, or one is not as `read_supplied` wants it.
    """
    try:
        folders = sorted(path for path in (directory / SUPPLIED).iterdir() if path.is_dir())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ModelError("", "missing", "the supplied models cannot be read") from error
    if len(folders) > MAX_SUPPLIED:
        raise ModelError("", "unknown", "too many supplied models")
    return {each.name: read_supplied(each) for each in folders}


def read_supplied(folder: Path) -> Supplied:
    """Return one supplied model; its file is not looked at.

    Raises:
        ModelError: its manifest is missing or cannot be read, has another name than the folder or
            one that this program uses itself, or says that the model is made of something.
    """
    try:
        raw = files.read(folder / MANIFEST, limit=MAX_MANIFEST_BYTES)
    except OSError as error:
        raise ModelError("", "missing", "a supplied model has no manifest") from error
    manifest = parse(raw)
    if manifest.name != folder.name or manifest.name in {*manifests(), *RESERVED}:
        raise ModelError(manifest.name, "unknown", "a supplied model of that name is not taken")
    if manifest.source.registry != "operator" or manifest.conversion != "none":
        raise ModelError(manifest.name, "unknown", "a supplied model is made of nothing")
    return Supplied(manifest, folder)


def load_verified(directory: Path, name: str) -> bytes:
    """Return a model's bytes, which are exactly those its manifest names.

    Args:
        directory: where the built files lie.
        name: the model's; one that this program comes with, or one that was supplied.

    Raises:
        ModelError: the model is unknown, its file is missing, or it has other bytes.
    """
    return find(directory, name)[1]


def find(directory: Path, name: str) -> tuple[Manifest, bytes]:
    """Return a model's manifest and its bytes, which are exactly those that it names.

    Args:
        directory: where the built files lie.
        name: the model's; one that this program comes with, or one that was supplied.

    Raises:
        ModelError: the model is unknown, its file is missing, or it has other bytes.
    """
    if name in manifests():
        manifest, folder = manifests()[name], directory
    elif (there := supplied(directory).get(name)) is not None:
        manifest, folder = there
    else:
        raise ModelError(name, "unknown", "no manifest")
    try:
        content = files.read(folder / manifest.file_name, limit=manifest.size_bytes)
    except OSError as error:
        raise ModelError(name, "missing", "its file cannot be read") from error
    manifest.check(content)
    return manifest, content
