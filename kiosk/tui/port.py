"""What a screen sees of a station: its view, and a way to say what the person did.

Knows the view and the events. Does not know whether the station lives in this process or behind a
socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from kiosk.session.events import Event
    from kiosk.station.view import ViewModel


class Station(Protocol):
    """The station, from where a screen stands."""

    def view(self) -> ViewModel:
        """Return what is to be shown now. From any thread."""
        ...

    def subscribe(self, callback: Callable[[ViewModel], None], /) -> Callable[[], None]:
        """Call back with every new view, from any thread; return what ends it."""
        ...

    def post(self, event: Event, /) -> None:
        """Tell the station what happened. From any thread; never blocks."""
        ...
