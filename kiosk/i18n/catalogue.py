"""The words of one language, read from its gettext catalogue.

Knows where a catalogue lies and how it is read. Does not know which language is chosen, nor ever
joins sentences: one key is one whole text, in NFC, because a terminal counts and clips code points.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args

from babel.messages.pofile import read_po

from kiosk.i18n.labels import Sayable, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Language = Literal["vi", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
"""The first is the one that a citizen finds."""


class UnknownWordsError(KeyError):
    """A catalogue has no words for a key, or a text lacks one of its values."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that can be said in one language. Immutable.

    Attributes:
        language: which.
        texts: key to text, with `{name}` where a value goes.
    """

    language: Language
    texts: Mapping[str, str] = field(repr=False)

    def say(self, key: Sayable | str, **values: int | str) -> str:
        """Return the words for a key, e.g. `Prompt.PLACE_CARD` or "prompt.place_card".

        Raises:
            UnknownWordsError: there are none, or a value that they need was not given.
        """
        name = key if type(key) is str else key_of(key)  # type: ignore[arg-type] # not a plain str
        try:
            return self.texts[name].format(**values)
        except KeyError:
            raise UnknownWordsError(self.language, name) from None


@cache
def words(language: Language) -> Catalogue:
    """Return the catalogue of a language; it is read once.

    Raises:
        ValueError: no such language, or its catalogue is broken.
    """
    if language not in LANGUAGES:
        raise ValueError("no such language")
    path = files("kiosk.i18n") / language / "LC_MESSAGES" / "kiosk.po"
    with path.open("rb") as source:
        catalog = read_po(source, locale=language, abort_invalid=True)
    texts = {
        str(message.id): unicodedata.normalize("NFC", str(message.string))
        for message in catalog
        if message.id and message.string and not message.fuzzy
    }
    return Catalogue(language, MappingProxyType(texts))
