"""Both catalogues say everything, and say it as people should be spoken to."""

from __future__ import annotations

import ast
import string
import unicodedata
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from kiosk import i18n
from kiosk.i18n import LANGUAGES, Hint, Language, UnknownWordsError, every_key, key_of, words
from kiosk.session.prompts import CheckName, CheckState, Delivery, Prompt
from kiosk.vision.port import HintName
from kiosk.vision.touch_port import FingerHintName
from wire.reasons import Outcome, Reason

FOLDER = Path(i18n.__file__).parent
BLAME = ("giả", "gian lận", "lừa", "trộm", "fake", "fraud", "false", "liar", "impostor", "forge")
SCORES = ("score", "điểm", "percent", "%")


def po(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / "kiosk.po"


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_every_key_and_no_other(language: Language) -> None:
    assert set(words(language).texts) == every_key()


@pytest.mark.parametrize("kind", [Prompt, Reason, Outcome, CheckName, CheckState, Delivery])
@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_a_session_can_say_has_words(language: Language, kind: type) -> None:
    for member in kind:
        assert words(language).say(member).strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_is_whole_and_in_nfc(language: Language) -> None:
    raw = po(language).read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", raw)
    with po(language).open("rb") as source:
        catalog = read_po(source, locale=language, abort_invalid=True)
    ids = [message.id for message in catalog if message.id]
    assert len(ids) == len(set(ids)) == raw.count("msgid ") - 1
    assert not catalog.obsolete
    assert not [message.id for message in catalog if message.id and message.fuzzy]
    assert not [error for message in catalog for error in message.check(catalog)]


def test_both_languages_take_the_same_values() -> None:
    for key in every_key():
        first, second = (fields(words(each).texts[key]) for each in LANGUAGES)
        assert first == second, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_citizen_is_told_is_short(language: Language) -> None:
    for said in (*Prompt, *Hint):
        assert len(words(language).say(said).split()) <= 12, said


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_accused_and_no_score_is_named(language: Language) -> None:
    for key, text in words(language).texts.items():
        assert not [word for word in (*BLAME, *SCORES) if word in text.lower()], key


def test_what_is_stored_here_says_that_it_will_be_sent() -> None:
    assert words("vi").say(Delivery.STORED) == "Đã lưu tại máy, sẽ gửi sau"
    assert words("en").say(Delivery.STORED) == "Stored here, will be sent"


def test_no_two_prompts_say_the_same() -> None:
    for language in LANGUAGES:
        said = [words(language).say(prompt) for prompt in Prompt]
        assert len(said) == len(set(said))


def test_the_english_words_are_not_vietnamese_ones() -> None:
    vi, en = (words(each).texts for each in LANGUAGES)
    assert not [key for key in every_key() if vi[key] == en[key]]
    assert all(text.isascii() or text[0] in "●○" for text in en.values())


def test_every_hint_of_the_workers_has_words() -> None:
    hints = {*HintName.__args__, *FingerHintName.__args__}
    assert {hint.value for hint in Hint} == hints
    assert {hint for reason in Reason if (hint := Hint.of(reason))} == set(Hint)
    assert Hint.of(Reason.CHIP_GONE) is None
    assert Hint.of(None) is None


def test_a_key_that_nobody_knows_is_an_error_that_names_no_value() -> None:
    with pytest.raises(UnknownWordsError):
        words("vi").say("prompt.sing")
    with pytest.raises(UnknownWordsError) as caught:
        words("en").say("label.receipt", other="N-17")
    assert "N-17" not in str(caught.value)


def test_a_value_is_not_read_as_a_pattern() -> None:
    assert words("en").say("label.receipt", receipt="{0}{x.y}") == "Receipt: {0}{x.y}"


def test_a_catalogue_cannot_be_changed() -> None:
    catalogue = words("vi")
    with pytest.raises(TypeError):
        catalogue.texts["prompt.place_card"] = ""
    assert words("vi") is catalogue
    assert repr(catalogue) == "Catalogue(language='vi')"


def test_there_is_no_other_language() -> None:
    with pytest.raises(ValueError, match="no such language"):
        words("../vi")


def test_keys_are_the_values_that_a_session_speaks_in() -> None:
    assert key_of(Prompt.PLACE_CARD) == "prompt.place_card"
    assert key_of(Reason.CHIP_KEY_MISMATCH) == "reason.chip_key_mismatch"
    assert key_of(CheckName.ISSUER) == "check.issuer"
    assert key_of(Delivery.STORED) == "delivery.stored"


def test_nothing_that_is_said_is_glued_together() -> None:
    """`say` and `both` never stand in an f-string or beside a plus: a key is a whole text."""
    glued = []
    for path in (FOLDER.parent / "tui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.BinOp):
                calls = (each for each in ast.walk(node) if isinstance(each, ast.Call))
                names = {getattr(call.func, "attr", getattr(call.func, "id", "")) for call in calls}
                if names & {"say", "both"}:
                    glued.append((path.name, node.lineno))
    assert not glued
