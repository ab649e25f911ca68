"""A whole session on the citizen's screen, by keys alone and by touches alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from textual.app import App
from tui_material import (
    CAN_TYPED,
    RECORD,
    SAME,
    TODAY,
    ScriptedStation,
    findings,
    station_at,
    still,
    text_of,
    tour,
)

from emrtd.keys import CAN
from kiosk.i18n import Label, words
from kiosk.session.effects import FileRecord, ReadChip
from kiosk.session.events import (
    Cancelled,
    CardConfirmed,
    CardGone,
    CardSeen,
    ChipRead,
    Dismissed,
    FaceJudged,
    KeyGiven,
    KeyRefused,
    TimerFired,
)
from kiosk.session.prompts import Delivery, Prompt
from kiosk.session.states import AskingKey, Filing, Idle, MatchingFace, ReadingChip, Showing
from kiosk.tui.citizen import CitizenApp
from kiosk.tui.widgets import Choice
from wire.reasons import Outcome, Reason

if TYPE_CHECKING:
    from kiosk.station.view import ViewModel


async def focus(pilot, name: str) -> None:
    """Walk with Tab until something has the focus."""
    for _ in range(30):
        if pilot.app.focused is not None and pilot.app.focused.id == name:
            return
        await pilot.press("tab")
    pytest.fail(f"{name} cannot be reached")


async def test_a_session_by_keys_alone() -> None:
    station = ScriptedStation()
    app = still(station)
    async with app.run_test(size=(60, 16)) as pilot:
        station.happens(CardSeen(simulated=True))
        await pilot.pause()
        await pilot.press("1", "backspace", *CAN_TYPED)
        assert station.posted == [KeyGiven(CAN(CAN_TYPED))]
        assert ReadChip(CAN(CAN_TYPED), fingers=True) in station.effects
        station.happens(ChipRead(findings(), TODAY), FaceJudged(SAME), CardConfirmed())
        station.happens(station.stored())
        await pilot.pause()
        assert words("vi").say(Delivery.STORED) in text_of(app)
        assert "N-17" in text_of(app)
        await focus(pilot, "done")
        await pilot.press("enter")
        assert station.posted[-1] == Dismissed()
        assert isinstance(station.state, Idle)
        await pilot.pause()
        assert app.focused is None
    filed = [effect for effect in station.effects if isinstance(effect, FileRecord)]
    assert [effect.verdict.outcome for effect in filed] == [Outcome.ACCEPTED]
    assert station.watchers == []


@pytest.mark.parametrize("size", [(35, 8), (60, 13)])
async def test_a_session_by_touches_alone(size: tuple[int, int]) -> None:
    station = ScriptedStation()
    app = still(station)
    async with app.run_test(size=size) as pilot:
        station.happens(CardSeen(simulated=True))
        await pilot.pause()
        await pilot.click("#key-9")
        await pilot.click("#key-delete")
        for digit in CAN_TYPED:
            await pilot.click(f"#key-{digit}")
        assert station.posted == [KeyGiven(CAN(CAN_TYPED))]
        station.happens(ChipRead(findings(), TODAY))
        await pilot.pause()
        await pilot.click("#cancel")
        assert station.posted[-1] == Cancelled()
        station.happens(station.stored())
        await pilot.pause()
        await pilot.click("#done")
        assert station.posted[-1] == Dismissed()


@pytest.mark.parametrize("way", ["touch", "tab", "escape"])
async def test_every_active_screen_can_be_stopped(way: str) -> None:
    active = ("key", "reading", "turn", "checking")
    async for screen, _, pilot, station in tour((52, 13), active):
        if way == "touch":
            await pilot.click("#cancel")
        elif way == "tab":
            await focus(pilot, "cancel")
            await pilot.press("space")
        else:
            await pilot.press("escape")
        assert station.posted == [Cancelled()], screen
        assert isinstance(station.state, Filing)
        assert station.state.verdict.reasons == (Reason.CANCELLED,)


async def test_what_cannot_be_stopped_offers_no_stop() -> None:
    station = station_at("saving")
    app = still(station)
    async with app.run_test(size=(60, 16)):
        assert not app.query_one("#cancel", Choice).region


async def test_every_number_key_is_reached_by_tab() -> None:
    station = station_at("key")
    async with still(station).run_test(size=(60, 16)) as pilot:
        for digit in CAN_TYPED:
            await focus(pilot, f"key-{digit}")
            await pilot.press("enter")
    assert station.posted == [KeyGiven(CAN(CAN_TYPED))]


async def test_digits_elsewhere_than_on_the_key_screen_are_no_key() -> None:
    async for _, _, pilot, station in tour((60, 16), ("welcome", "reading", "turn", "accepted")):
        await pilot.press(*CAN_TYPED)
        assert station.posted == []


async def test_half_a_key_is_forgotten_with_the_card() -> None:
    station = ScriptedStation()
    app = still(station)
    async with app.run_test(size=(60, 16)) as pilot:
        station.happens(CardSeen(simulated=True))
        await pilot.pause()
        await pilot.press("1", "2", "3")
        assert "● ● ● ○ ○ ○" in text_of(app)
        station.happens(CardGone())
        station.happens(station.stored(), CardGone(), Dismissed())
        await pilot.pause()
        station.happens(CardSeen(simulated=True))
        await pilot.pause()
        assert "○ ○ ○ ○ ○ ○" in text_of(app)
        await pilot.press(*CAN_TYPED)
    assert station.posted == [KeyGiven(CAN(CAN_TYPED))]


async def test_half_a_key_is_forgotten_even_if_the_screen_was_slow() -> None:
    station = station_at("key")
    app = still(station)
    async with app.run_test(size=(60, 16)) as pilot:
        await pilot.press("1", "2", "3")
        station.happens(Cancelled())
        station.happens(station.stored(), Dismissed(), CardSeen(simulated=True))
        await pilot.pause()
        assert "○ ○ ○ ○ ○ ○" in text_of(app)


async def test_a_kiosk_out_of_service_shows_no_card() -> None:
    app = still(station_at("closed"))
    async with app.run_test(size=(60, 16)):
        assert words("vi").say(Prompt.OUT_OF_SERVICE).split()[0] in text_of(app)
        assert "▼" not in text_of(app)


async def test_a_refused_key_begins_again_and_says_how_often() -> None:
    station = station_at("key")
    app = still(station)
    async with app.run_test(size=(60, 16)) as pilot:
        await pilot.press(*CAN_TYPED)
        station.happens(KeyRefused())
        await pilot.pause()
        assert isinstance(station.state, AskingKey)
        assert "Còn 2 lần nhập" in text_of(app)
        assert "○ ○ ○ ○ ○ ○" in text_of(app)


async def test_a_view_from_another_thread_is_shown_by_the_screens_own() -> None:
    shown_by = set()

    class Watched(CitizenApp):
        def _show(self, view: ViewModel) -> None:
            shown_by.add(threading.current_thread())
            super()._show(view)

    station = ScriptedStation()
    app = Watched(station)
    async with app.run_test(size=(60, 16)) as pilot:
        thread = threading.Thread(target=station.happens, args=(CardSeen(simulated=True),))
        thread.start()
        thread.join()
        await pilot.pause()
        assert app.query_one("#body").current == "key"
    assert shown_by == {threading.current_thread()}


async def test_a_language_is_for_one_citizen() -> None:
    station = ScriptedStation()
    app = still(station)
    vi, en = (words(each).say(Prompt.PLACE_CARD).split()[0] for each in ("vi", "en"))
    async with app.run_test(size=(80, 24)) as pilot:
        assert text_of(app).index(vi) < text_of(app).index(en)
        await pilot.click("#language")
        assert text_of(app).index(en) < text_of(app).index(vi)
        station.happens(CardSeen(simulated=True))
        await pilot.pause()
        assert "Stop" in text_of(app)
        assert "1 Code" in text_of(app)
        await pilot.click("#cancel")
        station.happens(station.stored())
        await pilot.pause()
        assert "Done" in text_of(app)
        station.happens(TimerFired(station.state.timer))
        await pilot.pause()
        assert text_of(app).index(vi) < text_of(app).index(en)


async def test_a_language_that_nobody_used_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiosk.tui.citizen.app.LANGUAGE_S", 1.0)
    app = still(ScriptedStation())
    async with app.run_test(size=(60, 16)) as pilot:
        await pilot.click("#language")
        assert "Identity check" in text_of(app)
        for _ in range(100):
            await pilot.pause(0.05)
            if "Xác thực căn cước" in text_of(app):
                return
    pytest.fail("it stayed")


async def test_a_locked_kiosk_cannot_be_left() -> None:
    app = still(ScriptedStation())
    async with app.run_test(size=(60, 16)) as pilot:
        before = text_of(app)
        for key in (
            "ctrl+q",
            "ctrl+c",
            "ctrl+p",
            "ctrl+z",
            "ctrl+backslash",
            "f1",
            "f12",
            "ctrl+s",
        ):
            await pilot.press(key)
        await pilot.pause()
        assert app.is_running
        assert app._exit is False
        assert len(app.screen_stack) == 1
        assert text_of(app) == before


@pytest.mark.parametrize("screen", ["welcome", "closed", "key"])
@pytest.mark.parametrize("key", ["ctrl+q", "ctrl+c"])
async def test_an_unlocked_one_can(screen: str, key: str) -> None:
    app = still(station_at(screen), locked=False)
    async with app.run_test(size=(60, 16)) as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert app._exit is True


async def test_the_toolkit_says_nothing_to_a_citizen_even_where_it_can_be_left() -> None:
    app = still(ScriptedStation(), locked=False)
    async with app.run_test(size=(60, 16)) as pilot:
        before = text_of(app)
        for key in ("ctrl+p", "ctrl+z", "ctrl+backslash", "f1", "f12", "ctrl+s", "super+c"):
            await pilot.press(key)
        for action in ("show_help_panel", "change_theme", "notify('Hello')", "command_palette"):
            await app.run_action(action)
        await pilot.pause()
        assert (len(app.screen_stack), len(app._notifications)) == (1, 0)
        assert text_of(app) == before


async def test_what_is_out_of_service_does_not_say_that_it_serves() -> None:
    for screen, said in (("welcome", Label.OFFLINE), ("closed", Label.OFFLINE_CLOSED)):
        app = still(station_at(screen))
        async with app.run_test(size=(80, 24)):
            shown = text_of(app)
            assert words("vi").say(said) in shown
            assert (words("vi").say(Label.OFFLINE) in shown) is (said is Label.OFFLINE)


async def test_words_fit_after_the_window_changed() -> None:
    app = still(station_at("key"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.resize_terminal(35, 8)
        await pilot.pause()
        assert "Dừng lại" in text_of(app)
        await pilot.click("#key-7")
        assert "● ○ ○ ○ ○ ○" in text_of(app)


def test_the_states_of_the_walk_are_the_sessions_own() -> None:
    assert isinstance(station_at("reading").state, ReadingChip)
    assert isinstance(station_at("turn").state, MatchingFace)
    accepted = station_at("accepted").state
    assert isinstance(accepted, Showing)
    assert (accepted.verdict.outcome, accepted.record) == (Outcome.ACCEPTED, RECORD)
    assert issubclass(type(still(ScriptedStation())), App)
