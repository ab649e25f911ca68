"""Two languages at once: the one that was chosen, and the other below it.

Knows both catalogues and their order. Does not know who chose, and keeps no choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kiosk.i18n import LANGUAGES, Catalogue, words

if TYPE_CHECKING:
    from kiosk.i18n import Language
    from kiosk.i18n.labels import Sayable

Pair = tuple[str, str]
"""The same in both languages, the chosen one first."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What a screen says in.

    Attributes:
        first: the chosen language.
        second: the other one.
    """

    first: Catalogue
    second: Catalogue

    @classmethod
    def starting_with(cls, language: Language = LANGUAGES[0]) -> Speech:
        """Return both languages, this one first; Vietnamese unless another is named."""
        (other,) = (each for each in LANGUAGES if each != language)
        return cls(words(language), words(other))

    def turned(self) -> Speech:
        """Return the same with the other language first."""
        return Speech(self.second, self.first)

    def both(self, said: Sayable, **values: int | str) -> Pair:
        """Return the words in both languages."""
        return self.first.say(said, **values), self.second.say(said, **values)
