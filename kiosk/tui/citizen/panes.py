"""The middle of the citizen's screen: one pane for each screen that a view can name.

Knows which part of a view goes where. Decides nothing, and keeps nothing but the digits that are
being typed, which it never shows.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from textual.containers import Container, Grid, Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from emrtd.keys import CAN, CAN_DIGITS
from kiosk.i18n import Button, Finger, Hint, Label
from kiosk.session.prompts import CheckName, Delivery, Prompt
from kiosk.station.view import Screen
from kiosk.tui.citizen import drawings
from kiosk.tui.widgets import Choice, Meter, Words
from wire.reasons import Outcome

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from kiosk.station.view import Around, CheckLine, ViewModel
    from kiosk.tui.speech import Speech

DIGITS: Final = "0123456789"
_KEYPAD: Final = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "", "0", "delete")


class Pane(Container):
    """What all panes have: at the left what is said, at the right what is seen or done."""

    def prompt(self) -> Words:
        """Return where the prompt is shown."""
        return self.query_one(".prompt", Words)

    def show(self, view: ViewModel, speech: Speech) -> None:
        """Show a view."""
        self.prompt().say(speech.both(view.prompt))


class WelcomePane(Pane):
    """Nobody is there: what to do first."""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="say"):
            yield Words(classes="prompt")
        with Vertical(classes="see"):
            yield Static(classes="drawing", markup=False)

    def show(self, view: ViewModel, speech: Speech) -> None:
        """Show a view."""
        super().show(view, speech)
        self.query_one(".drawing", Static).update(drawings.WELCOMES[view.prompt])


class KeyPane(Pane):
    """The card's key is typed, on the keypad or on a keyboard; a dot is all that is seen of it.

    The digits are half of the person's number and open the card, so not even the last is shown.
    """

    class Complete(Message):
        """All digits were typed."""

        def __init__(self, can: CAN) -> None:
            self.can = can
            super().__init__()

    def __init__(self, **named: Any) -> None:
        self._digits: list[str] = []
        super().__init__(**named)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="say"):
            yield Words(classes="prompt")
            yield Static(id="key-dots", markup=False)
            yield Words(id="key-typed")
            yield Words(id="key-note")
        with Vertical(classes="see"), Grid(id="keypad"):
            for key in _KEYPAD:
                yield Choice(key, classes="key", id=f"key-{key}") if key else Static()

    def show(self, view: ViewModel, speech: Speech) -> None:
        """Show a view."""
        super().show(view, speech)
        note = speech.both(Label.KEY_WHERE)
        if view.prompt is Prompt.KEY_REFUSED and view.attempts_left is not None:
            note = speech.both(Label.ATTEMPTS_LEFT, count=view.attempts_left)
        self.query_one("#key-note", Words).say(note)
        typed = speech.both(Label.KEY_TYPED, count=len(self._digits))
        self.query_one("#key-typed", Words).say(typed)
        self.query_one("#key-delete", Choice).say(speech.both(Button.DELETE))
        left = CAN_DIGITS - len(self._digits)
        dots = [drawings.TYPED] * len(self._digits) + [drawings.OPEN] * left
        self.query_one("#key-dots", Static).update(" ".join(dots))

    def clear(self) -> None:
        """Forget what was typed."""
        self._digits.clear()

    def press(self, key: str) -> None:
        """Take one key: a digit, or "delete" for the last one."""
        if key == "delete":
            del self._digits[-1:]
        elif key in DIGITS:
            self._digits.append(key)
        if len(self._digits) == CAN_DIGITS:
            can = CAN("".join(self._digits))
            self.clear()
            self.post_message(self.Complete(can))


class WaitPane(Pane):
    """Something goes on, and how far it is."""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="say"):
            yield Words(classes="prompt")
        with Vertical(classes="see"):
            yield Static(drawings.ON_READER, classes="drawing", markup=False)
            yield Meter()
            yield Static(classes="percent", markup=False)

    def show(self, view: ViewModel, speech: Speech) -> None:
        """Show a view."""
        super().show(view, speech)
        self.query_one(Meter).progress = view.progress
        percent = "" if view.progress is None else f"{view.progress:.0%}"
        self.query_one(".percent", Static).update(percent)


class FacePane(Pane):
    """Where to look."""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="say"):
            yield Words(classes="prompt")
            yield Words(id="hint")
        with Vertical(classes="see"):
            yield Static(classes="drawing", markup=False)
            yield Static(classes="sign", markup=False)

    def show(self, view: ViewModel, speech: Speech) -> None:
        """Show a view."""
        super().show(view, speech)
        self.query_one(".drawing", Static).update(drawings.CUES[view.prompt])
        self.query_one(".sign", Static).update(drawings.SIGNS[view.prompt])
        hint = Hint.of(view.hint)
        self.query_one("#hint", Words).say(None if hint is None else speech.both(hint))


class FingerPane(Pane):
    """Which finger, and where to put it."""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="say"):
            yield Words(classes="prompt")
            yield Words(id="finger-name")
            yield Words(id="finger-hint")
        with Vertical(classes="see"):
            yield Static(classes="drawing", markup=False)
            yield Static(classes="sign", markup=False)

    def show(self, view: ViewModel, speech: Speech) -> None:
        """Show a view."""
        super().show(view, speech)
        self.query_one(".drawing", Static).update(drawings.FINGERS[view.prompt])
        self.query_one(".sign", Static).update(drawings.SIGNS[view.prompt])
        self.query_one("#finger-name", Words).say(speech.both(Finger.of(view.finger or 0)))
        hint = Hint.of(view.hint)
        self.query_one("#finger-hint", Words).say(None if hint is None else speech.both(hint))


class CheckRow(Horizontal):
    """One check: a mark, its name, how it ended."""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        for part in ("mark", "name", "other", "state"):
            yield Static(classes=part, markup=False)

    def show(self, line: CheckLine | None, speech: Speech) -> None:
        """Show a line; None: take no room."""
        self.set_class(line is None, "-off")
        if line is not None:
            name, other = speech.both(line.name)
            parts = (drawings.MARKS[line.state], name, other, speech.first.say(line.state))
            for static, text in zip(self.query(Static), parts, strict=True):
                static.update(text)


class VerdictPane(Pane):
    """How it ended, where the record is, and what was checked against what and how old."""

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="say"):
            yield Static(classes="drawing", markup=False)
            yield Words(classes="prompt")
            yield Words(id="receipt")
            yield Words(id="take")
        with Vertical(classes="see"):
            yield Words(id="delivery")
            for _ in CheckName:
                yield CheckRow(classes="basis")
            yield Static(id="policy", classes="basis", markup=False)
            yield Static(id="trust", classes="basis", markup=False)

    def show(self, view: ViewModel, speech: Speech) -> None:
        """Show a view."""
        super().show(view, speech)
        self.set_class(view.outcome is Outcome.ACCEPTED, "-accepted")
        self.query_one(".drawing", Static).update(drawings.VERDICTS[view.prompt])
        delivery = view.delivery or Delivery.NOT_STORED
        self.query_one("#delivery", Words).say(speech.both(delivery))
        receipt = speech.both(Label.RECEIPT, receipt=view.receipt) if view.receipt else None
        self.query_one("#receipt", Words).say(receipt)
        take = None if view.retry else speech.both(Prompt.TAKE_CARD)
        self.query_one("#take", Words).say(take)
        for row, line in zip_longest(self.query(CheckRow), view.checks):
            row.show(line, speech)
        self._show_basis(view.around, speech)

    def _show_basis(self, around: Around, speech: Speech) -> None:
        say = speech.first.say
        policy = say(Label.POLICY, policy=around.policy)
        if around.policy_days_left < 0:
            policy = say(Label.POLICY_NONE)
        trust = say(Label.TRUST_UNKNOWN)
        if around.trust_days is not None:
            trust = say(Label.TRUST_DAYS, days=around.trust_days)
        self.query_one("#policy", Static).update(policy)
        self.query_one("#trust", Static).update(trust)


PANES: Final[dict[Screen, type[Pane]]] = {
    Screen.WELCOME: WelcomePane,
    Screen.KEY: KeyPane,
    Screen.READING: WaitPane,
    Screen.FACE: FacePane,
    Screen.FINGER: FingerPane,
    Screen.CHECKING: WaitPane,
    Screen.VERDICT: VerdictPane,
}
