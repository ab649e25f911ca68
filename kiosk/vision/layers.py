"""The layers that look at what shows the face, and what they say together.

Knows the texture of good frames and the traces of all frames since something was asked on one
unbroken track: what was shown before proves nothing of what answers. Every layer must pass; one
that could not look is told apart from one that saw something, and neither passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import numpy as np

from models.face.temporal import TraceError, Watch

if TYPE_CHECKING:
    from kiosk.vision.sight import Sight

MIN_TEXTURES: Final = 3
"""So many frames' texture is judged together, at least."""
MAX_TEXTURES: Final = 15
"""The newest so many: seconds."""


class Seen(Enum):
    """What a layer says."""

    NOTHING_WRONG = auto()
    SOMETHING = auto()
    COULD_NOT_LOOK = auto()


@dataclass(slots=True)
class Layers:
    """What was gathered on one track since something was asked.

    Attributes:
        threshold: the least log-odds that look like skin; None: there is no such layer.
    """

    threshold: float | None
    _textures: list[float] = field(default_factory=list, repr=False)
    _watch: Watch = field(default_factory=Watch, repr=False)
    _no_traces: bool = False

    def follow(self, sight: Sight) -> None:
        """Take any frame with the one face on it."""
        if sight.trace is None:
            self._no_traces = True
            return
        try:
            self._watch.add(sight.trace())
        except TraceError:
            self._no_traces = True

    def look(self, sight: Sight) -> None:
        """Take a frame that is good enough to be compared."""
        if sight.texture is None:
            return
        score = sight.texture()
        if not np.isnan(score):
            self._textures = [*self._textures, score][-MAX_TEXTURES:]

    @property
    def texture(self) -> Seen:
        """Whether the surface looks like skin."""
        if self.threshold is None or len(self._textures) < MIN_TEXTURES:
            return Seen.COULD_NOT_LOOK
        # The middle: one frame that looks like very much skin outweighs no others.
        skin = float(np.median(self._textures)) >= self.threshold
        return Seen.NOTHING_WRONG if skin else Seen.SOMETHING

    @property
    def traces(self) -> Seen:
        """Whether frames in a row show a medium."""
        if self._watch.cues():
            return Seen.SOMETHING
        looked = self._watch.looked and not self._no_traces
        return Seen.NOTHING_WRONG if looked else Seen.COULD_NOT_LOOK

    @property
    def verdict(self) -> Seen:
        """What all say together: one that saw something first, then one that could not look."""
        said = {self.texture, self.traces}
        if Seen.SOMETHING in said:
            return Seen.SOMETHING
        return Seen.COULD_NOT_LOOK if Seen.COULD_NOT_LOOK in said else Seen.NOTHING_WRONG
