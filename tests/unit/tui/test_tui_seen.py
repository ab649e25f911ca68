"""What can be seen: every word, in a contrast that people read by; and nothing of a person."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from functools import cache
from pathlib import Path

import pytest
from tui_material import (
    CAN_TYPED,
    NUMBER,
    SIZES,
    ScriptedStation,
    findings,
    seen_at,
    segments,
    station_at,
    still,
    text_of,
)

from kiosk.i18n import LANGUAGES, Button, Label, Language, words
from kiosk.session.events import CardSeen, ChipRead, KeyGiven
from kiosk.session.prompts import CheckState, Prompt
from kiosk.station.view import Screen
from kiosk.tui.citizen import drawings
from kiosk.tui.citizen.panes import KeyPane

FONT = "Noto Sans Mono"


def luminance(colour: str) -> float:
    """Return the relative luminance as WCAG 2.2 defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_ruler_measures_what_wcag_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("size", SIZES)
def test_everything_that_is_drawn_has_a_contrast_of_seven(size: tuple[int, int]) -> None:
    pairs = frozenset().union(*(seen.pairs for seen in seen_at(size)))
    assert len(pairs) > 4
    weak = {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 7}
    assert not weak


async def test_the_focus_is_seen_without_colours() -> None:
    app = still(station_at("key"))
    async with app.run_test(size=(60, 16)) as pilot:
        await pilot.press("tab")
        key = app.focused
        strips = app.screen._compositor.render_strips()
        focused = [s for strip in strips for s in strip if s.text.strip() and s.style.underline]
        assert key is not None
        assert key.id == "key-1"
        assert [segment.text.strip() for segment in focused] == ["1"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
def test_no_word_of_a_prompt_is_cut_off(size: tuple[int, int], language: Language) -> None:
    for seen in seen_at(size):
        view = seen.view
        # A keypad that a finger can use leaves no room for a second language beside it.
        large_key = size[1] < 12 and view.screen is Screen.KEY
        said = [words(each).say(view.prompt) for each in LANGUAGES]
        if large_key:
            said = [words(language).say(view.prompt)]
        if view.delivery:
            said += [words(language).say(view.delivery), view.receipt]
        if view.hint:
            said += [words(each).say(f"hint.{view.hint.value}") for each in LANGUAGES]
        if view.screen is Screen.KEY:
            said += [words(language).say(button) for button in (Button.DELETE, Button.CANCEL)]
        if view.screen is Screen.VERDICT:
            said.append(words(language).say(Button.DONE))
            if not view.retry:
                said.append(words(language).say(Prompt.TAKE_CARD))
        if view.prompt is Prompt.KEY_REFUSED:
            said.append(words(language).say(Label.ATTEMPTS_LEFT, count=2))
        read = seen.texts[language].split()
        missing = [word for text in said for word in text.split() if word not in read]
        assert not missing, seen.screen


@pytest.mark.parametrize(("screen", "step"), [("finger", "STEP_FINGER"), ("ahead", "STEP_FACE")])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_third_step_is_called_by_what_is_asked_for(
    screen: str, step: str, language: Language
) -> None:
    (seen,) = [seen for seen in seen_at((80, 24)) if seen.screen == screen]
    third = {each: words(language).say(each) for each in (Label.STEP_FACE, Label.STEP_FINGER)}
    for each, text in third.items():
        assert (text in seen.texts[language]) == (each is Label[step])


@pytest.mark.parametrize("size", [(34, 24), (80, 7), (20, 6)])
async def test_a_screen_below_the_least_size_says_so_in_both_languages_and_nothing_else(
    size: tuple[int, int],
) -> None:
    app = still(station_at("key"))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        said = [words(each).say(Label.TOO_SMALL, columns=35, rows=8) for each in LANGUAGES]
        assert text_of(app).split() == " ".join(said).split()


@pytest.mark.parametrize("size", SIZES)
def test_the_other_language_is_offered_on_every_screen(size: tuple[int, int]) -> None:
    for seen in seen_at(size):
        for shown, other in (("vi", "en"), ("en", "vi")):
            assert words(other).say("button.language") in seen.texts[shown], seen.screen


@pytest.mark.parametrize("size", [(35, 8), (52, 13), (80, 24)])
async def test_an_accepted_session_says_what_was_checked_by_what_and_how_old_that_is(
    size: tuple[int, int],
) -> None:
    app = still(station_at("accepted"))
    async with app.run_test(size=size) as pilot:
        if size[1] < 12:
            await pilot.click("#details")
        seen, say = text_of(app), words("vi").say
        ended = {"issuer": "passed", "chip": "passed", "live": "passed", "face": "passed"}
        for check, state in (ended | {"finger": "not_done"}).items():
            name, how = say(f"check.{check}"), say(f"state.{state}")
            (line,) = (each for each in seen.splitlines() if name in each and how in each)
            assert drawings.MARKS[CheckState(state)] in line
        assert say("label.policy", policy="ptest-1") in seen
        assert say("label.trust_days", days=3) in seen


@pytest.mark.parametrize("size", SIZES)
def test_simulated_devices_are_always_called_so(size: tuple[int, int]) -> None:
    for seen in seen_at(size):
        assert "mô phỏng" in seen.texts["vi"].lower(), seen.screen
        assert "simulated" in seen.texts["en"].lower(), seen.screen


@pytest.mark.parametrize("size", [(35, 8), (80, 24)])
async def test_who_is_not_the_holder_sees_what_everybody_sees_at_the_desk(
    size: tuple[int, int],
) -> None:
    seen = []
    for screen in ("not_holder", "copy"):
        app = still(station_at(screen))
        async with app.run_test(size=size) as pilot:
            seen.append((text_of(app), list(segments(app))))
            if size[1] < 12:
                await pilot.click("#details")
                seen[-1] += (text_of(app),)
    assert seen[0] == seen[1]


async def test_typed_digits_are_nowhere_to_be_seen() -> None:
    station = ScriptedStation()
    app = still(station)
    async with app.run_test(size=(60, 16)) as pilot:
        station.happens(CardSeen(simulated=True))
        await pilot.pause()
        empty = text_of(app).replace("○", "●")
        for typed in range(1, 6):
            await pilot.press(CAN_TYPED[typed - 1])
            assert text_of(app).replace("○", "●") == empty
            await pilot.click("#language")
            await pilot.click("#language")
        assert app.focused is None
        assert CAN_TYPED[:5] not in repr(app.query_one(KeyPane))
        await pilot.press(CAN_TYPED[5])
        assert isinstance(station.posted[0], KeyGiven)
        assert CAN_TYPED not in repr(station.posted)


def test_nothing_of_a_person_is_on_a_screen_or_in_its_view() -> None:
    for seen in seen_at((80, 24)):
        for where in (*seen.texts.values(), seen.picture, repr(seen.view)):
            for secret in (NUMBER, CAN_TYPED, "NGUYEN", "MAU"):
                assert secret not in where, seen.screen


async def test_a_crash_tells_its_kind_and_no_digit(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(ScriptedStation):
        def post(self, event, /) -> None:
            digits = event.password.digits
            raise RuntimeError(digits)

    station = Broken()
    app = still(station)

    async def crash() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            station.happens(CardSeen(simulated=True))
            await pilot.pause()
            await pilot.press(*CAN_TYPED)

    with pytest.raises(RuntimeError):
        await crash()
    printed = "".join(capsys.readouterr())
    assert "RuntimeError" in printed
    assert CAN_TYPED not in printed
    assert "digits" not in printed


@cache
def drawable() -> frozenset[int]:
    """Return the code points of the kiosk's font, as fontconfig lists them."""
    if shutil.which("fc-list") is None:
        pytest.skip("fontconfig is not installed")
    listed = subprocess.run(
        ["fc-list", f"{FONT}:bold", "file", "charset"], capture_output=True, text=True, check=True
    ).stdout
    if not listed.strip():
        pytest.skip(f"{FONT} is not installed")
    ranges = listed.splitlines()[0].split("charset=")[1].split()
    points = (span.partition("-") for span in ranges)
    return frozenset(
        point for low, _, high in points for point in range(int(low, 16), int(high or low, 16) + 1)
    )


def test_the_kiosks_one_font_has_every_character() -> None:
    said = "".join(text for each in LANGUAGES for text in words(each).texts.values())
    drawn = "".join(
        text for name, text in vars(drawings).items() if name.isupper() and isinstance(text, str)
    )
    drawn += "".join((*drawings.SIGNS.values(), *drawings.MARKS.values()))
    missing = {each for each in said + drawn if each != "\n" and ord(each) not in drawable()}
    assert not missing
    assert ord("✓") not in drawable()


def test_and_every_character_of_a_screen() -> None:
    for text in (text for seen in seen_at((80, 24)) for text in seen.texts.values()):
        assert unicodedata.is_normalized("NFC", text)
        assert not {each for each in text if each != "\n" and ord(each) not in drawable()}


def test_an_app_is_short_and_its_style_is_in_its_sheet() -> None:
    folder = Path(drawings.__file__).parent
    assert all(len(path.read_text().splitlines()) < 300 for path in folder.glob("*.py"))
    assert not any("CSS = " in path.read_text() for path in folder.glob("*.py"))


def test_the_chip_that_is_shown_was_really_verified() -> None:
    assert findings().holder is not None
    assert findings("clone").holder is None
    station = ScriptedStation()
    station.happens(CardSeen(simulated=True), ChipRead(findings(), None))
