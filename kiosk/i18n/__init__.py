"""Words for people, in Vietnamese and English."""

from __future__ import annotations

from kiosk.i18n.catalogue import LANGUAGES, Catalogue, Language, UnknownWordsError, words
from kiosk.i18n.labels import Button, Finger, Hint, Label, every_key, key_of

__all__ = [
    "LANGUAGES",
    "Button",
    "Catalogue",
    "Finger",
    "Hint",
    "Label",
    "Language",
    "UnknownWordsError",
    "every_key",
    "key_of",
    "words",
]
