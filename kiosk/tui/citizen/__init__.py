"""The citizen's screen."""

from __future__ import annotations

from kiosk.tui.citizen.app import CitizenApp

__all__ = ["CitizenApp"]
