"""Every screen as it looks, in each language, large and normal (`--snapshot-update`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tui_material import station_at, still, text_of

from kiosk.i18n import LANGUAGES, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

SCREENS = (
    "welcome",
    "key",
    "refused",
    "reading",
    "ahead",
    "turn",
    "finger",
    "finger_again",
    "checking",
    "accepted",
    "copy",
    "closed",
)


@pytest.mark.parametrize("size", [(35, 8), (60, 16)], ids=["large", "normal"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen(
    snap_compare: Callable[..., bool], screen: str, language: str, size: tuple[int, int]
) -> None:
    station = station_at(screen)

    async def choose(pilot: Pilot[None]) -> None:
        await pilot.pause()
        if language != LANGUAGES[0]:
            await pilot.click("#language")
        assert words(language).say(station.view().prompt).split()[0] in text_of(pilot.app)

    assert snap_compare(still(station), terminal_size=size, run_before=choose)
