"""A face as numbers, and how close two faces are: one embedding net, or two that must agree.

Knows how any net that a manifest describes is fed. An embedding is biometric data: it does not
print, and it is not stored. What a closeness means is `models.face.decide`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from models.face import align, chip
from models.manifest import find, manifest_of, manifests, supplied
from models.runtime import ModelError, load

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from models.face.mesh import Mesh
    from models.manifest import Manifest

NAME: Final = "mobilefacenet"
CLEAN: Final = "dlib-resnet"
"""The net whose licence leaves no doubt."""
STRICT: Final = "strict"
"""Both, and both must agree."""
AGREED: Final = "agreed"
"""Names how `Strict` makes one closeness of two: a calibration holds for no other way."""
MAX_LEAD: Final = 0.1
"""Of two nets' mean over the lesser. At the thresholds that LFW gives for 1e-4, the lesser alone
misses 3.1 % of ORL s1-s20 and .8 % of s21-s40, this 1.6 and .1 %; from .05 to .2 it is level."""
MIN_NORM: Final = 1e-6
MAX_ALIKE: Final = 0.99
"""The cosine of two pictures that have nothing in common. It is .43 for MobileFaceNet and .95 for
dlib's net, and .999 for the latter if it is given numbers from 0 to 1 instead of from 0 to 255."""
ALIGNMENTS: Final = {
    "arcface-112": (align.align, align.PIPELINE),
    "dlib-150": (chip.chip, chip.PIPELINE),
}
"""By template: what cuts the face out, and what a calibration calls it."""


class FaceEmbedder(Protocol):
    """What makes embeddings of one kind. For one thread."""

    @property
    def name(self) -> str:
        """By which it is chosen, and its calibration found."""
        ...

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Of its nets, in the order of their numbers in an embedding."""
        ...

    @property
    def id(self) -> str:
        """How records and calibrations name it: its nets' ids, joined by "+"."""
        ...

    @property
    def pipeline(self) -> str:
        """How a face comes to it, and how its pixels are fed; a calibration holds for no other."""
        ...

    @property
    def size(self) -> int:
        """How many numbers an embedding has."""
        ...

    def embed(
        self, rgb: NDArray[np.uint8], mesh: Mesh, *, aligned: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Embed the face under a mesh.

        Args:
            rgb: (H, W, 3) uint8, RGB.
            mesh: the face's points in that picture.
            aligned: what `models.face.align.align` makes of both, where it was done already.

        Returns:
            (size,) float32, unit length; compare with `closeness`.

        Raises:
            PictureError: it is no such array.
            ModelError: a net failed.
        """
        ...

    def closeness(
        self, one: NDArray[np.float32], other: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return how close embeddings are, -1..1; 1 is the same.

        Args:
            one: (..., size) float32, unit length.
            other: (..., size) float32, of a shape that fits.

        Returns:
            (...) float64.
        """
        ...


class Embedder:
    """One embedding net, fed as its manifest says."""

    def __init__(self, net: bytes, *, manifest: Manifest | None = None, threads: int = 1) -> None:
        """Load the net.

        Args:
            net: the verified model file.
            manifest: its manifest; by default that of `NAME`.
            threads: for the runtime.

        Raises:
            ModelError: it is another net, none that embeds, or it is fed so that unlike pictures
                are nearly one to it.
        """
        self._manifest = manifest = manifest or manifest_of(NAME)
        if manifest.embedding is None:
            raise ModelError(manifest.name, "unknown", "no embedding net")
        self._net = load(net, threads=threads)
        if (self._net.inputs, self._net.outputs) != (manifest.inputs, manifest.outputs):
            raise ModelError(manifest.name, "altered", "another net's shapes")
        self._how = manifest.embedding
        self._cut, cut = ALIGNMENTS[manifest.embedding.template]
        self.pipeline = f"{cut}-{manifest.feed}"
        self._require_sight()

    @property
    def name(self) -> str:
        """The net's."""
        return self._manifest.name

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """The net's."""
        return (self._manifest,)

    @property
    def id(self) -> str:
        """The net's."""
        return self._manifest.id

    @property
    def size(self) -> int:
        """How many numbers an embedding has."""
        return self._manifest.outputs[0][1]

    def embed(
        self, rgb: NDArray[np.uint8], mesh: Mesh, *, aligned: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Embed the face under a mesh; see `FaceEmbedder.embed`."""
        if aligned is None or self._cut is not align.align:
            aligned = self._cut(rgb, mesh)
        return self.embed_aligned(aligned)

    def embed_aligned(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed a face that already lies on the net's template.

        Args:
            face: (side, side, 3) uint8, RGB; the side is the template's.

        Returns:
            (size,) float32, unit length.

        Raises:
            ModelError: the net failed.
        """
        ready = self._fed(face[None])
        match self._how.mirror:
            case "slot":
                (rows,) = self._net.run([np.concatenate([ready, ready[:, :, ::-1]])])
            case "again":
                (straight,), (mirrored,) = (
                    self._net.run([ready]),
                    self._net.run([ready[:, :, ::-1]]),
                )
                rows = np.concatenate([straight, mirrored])
            case "none":
                (rows,) = self._net.run([ready])
        total: NDArray[np.float32] = np.sum([unit(row) for row in rows], axis=0)
        return unit(total)

    def closeness(
        self, one: NDArray[np.float32], other: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the cosine of embeddings; see `FaceEmbedder.closeness`."""
        return _cosines(one, other)

    def _fed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, side, side, 3) float32, as the net wants pixels."""
        how = self._manifest.preprocessing
        fed: NDArray[np.float32] = faces.astype(np.float32) - np.float32(how.offset)
        return fed / np.float32(how.scale)

    def _require_sight(self) -> None:
        """Refuse to serve if a picture that darkens downwards is the same as one that brightens.

        Whatever else is wrong with a manifest, thresholds do not show this: everybody is then
        everybody, surer than any of them asks.
        """
        side = self._how.side_px
        falling = np.linspace(255, 0, side).astype(np.uint8)[:, None, None]
        pictures = np.broadcast_to(np.stack([falling, falling[::-1]]), (2, side, side, 3))
        runs = np.split(self._fed(pictures), 2 // self._how.slots)
        one, other = (unit(row) for run in runs for row in self._net.run([run])[0])
        if cosine(one, other) > MAX_ALIKE:
            raise ModelError(self.name, "failed", "all pictures are one to it: it is fed wrongly")


class Strict:
    """Two embedding nets that must agree: their mean, held near the more doubtful one.

    An embedding is both, one behind the other, each of length 1/sqrt(2).
    """

    name: Final = STRICT

    def __init__(self, first: Embedder, second: Embedder) -> None:
        """Join two nets.

        Args:
            first: its cosines are taken as they are.
            second: a net whose cosines of strangers crowd near 1, as dlib's do.
        """
        self._nets = first, second

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Of both nets."""
        return tuple(manifest for each in self._nets for manifest in each.manifests)

    @property
    def id(self) -> str:
        """Both nets', joined by "+"."""
        return "+".join(each.id for each in self._nets)

    @property
    def pipeline(self) -> str:
        """Both nets', and how two closenesses become one."""
        return ".".join([*(each.pipeline for each in self._nets), AGREED])

    @property
    def size(self) -> int:
        """How many numbers an embedding has."""
        return sum(each.size for each in self._nets)

    def embed(
        self, rgb: NDArray[np.uint8], mesh: Mesh, *, aligned: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Embed the face under a mesh; see `FaceEmbedder.embed`."""
        both = np.concatenate([each.embed(rgb, mesh, aligned=aligned) for each in self._nets])
        joined: NDArray[np.float32] = (both / np.sqrt(2.0)).astype(np.float32)
        return joined

    def closeness(
        self, one: NDArray[np.float32], other: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the mean of both nets' closeness; see `FaceEmbedder.closeness`.

        It is never more than `MAX_LEAD` above the lesser one, so that no net can outvote the other.
        The second net's cosine c counts as 1 - 2 sqrt(1 - c), a function that rises with it and
        spreads the crowd near 1 over the range of the first.
        """
        cut = self._nets[0].size
        first = np.clip(2.0 * _cosines(one[..., :cut], other[..., :cut]), -1.0, 1.0)
        cosine_of_second = np.clip(2.0 * _cosines(one[..., cut:], other[..., cut:]), -1.0, 1.0)
        second = np.maximum(1.0 - 2.0 * np.sqrt(1.0 - cosine_of_second), -1.0)
        lead = np.minimum(np.abs(first - second) / 2.0, MAX_LEAD)
        agreed: NDArray[np.float64] = np.minimum(first, second) + lead
        return agreed


def open_embedder(models: Path, net: str | None = None, *, threads: int = 1) -> FaceEmbedder:
    """Load an embedding net, or two, from the models' folder.

    Args:
        models: the folder of the model files.
        net: the name of a net that this program comes with or that was supplied, or `STRICT`; by
            default `net_of(models)`.
        threads: for the runtime.

    Raises:
        ModelError: it is missing, altered, does not load, or is no embedding net.
    """
    name = net_of(models) if net is None else net
    if name == STRICT:
        return Strict(*(_open(models, each, threads=threads) for each in names_of(models, name)))
    return _open(models, name, threads=threads)


def net_of(models: Path) -> str:
    """Return the net that is used where none is named: `NAME`, or `CLEAN` where only that lies."""
    doubtful = models / manifest_of(NAME).file_name
    clean = models / manifest_of(CLEAN).file_name
    return CLEAN if clean.exists() and not doubtful.exists() else NAME


def names_of(models: Path, net: str | None = None) -> tuple[str, ...]:
    """Return the names of the models that `open_embedder` loads when it is asked for a net."""
    name = net_of(models) if net is None else net
    return (NAME, CLEAN) if name == STRICT else (name,)


def choices(models: Path) -> tuple[str, ...]:
    """Return what `open_embedder` may be asked for, whether or not its files are there.

    Raises:
        ModelError: a supplied model is not as it must be.
    """
    there = [*manifests().values(), *(each.manifest for each in supplied(models).values())]
    return (*(each.name for each in there if each.role == "embed"), STRICT)


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a vector scaled to length 1.

    Raises:
        ModelError: it has no direction.
    """
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < MIN_NORM:
        raise ModelError("", "failed", "the net gave no direction")
    scaled: NDArray[np.float32] = (vector / length).astype(np.float32)
    return scaled


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return how close two embeddings of one net are, -1..1; 1 is the same."""
    return float(_cosines(one, other))


def _open(models: Path, name: str, *, threads: int) -> Embedder:
    manifest, content = find(models, name)
    return Embedder(content, manifest=manifest, threads=threads)


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    products = np.einsum("...i,...i->...", one.astype(np.float64), other.astype(np.float64))
    clipped: NDArray[np.float64] = products.clip(-1.0, 1.0)
    return clipped
