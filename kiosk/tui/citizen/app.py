"""The citizen's screen: renders the station's view, and tells the station what was pressed.

Knows the frame around the panes, the language that was chosen for this citizen, and how a kiosk is
locked. Decides nothing. Keeps and prints nothing of a person: a crash prints its kind alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import App
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import ContentSwitcher, Static

from kiosk.i18n import Button, Label
from kiosk.session.events import Cancelled, Dismissed, FingerDeclined, KeyGiven
from kiosk.session.prompts import Prompt
from kiosk.station.view import STEPS, Screen
from kiosk.tui.citizen.panes import DIGITS, PANES, KeyPane, Pane
from kiosk.tui.speech import Speech
from kiosk.tui.theme import THEME
from kiosk.tui.widgets import Choice, Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.timer import Timer

    from kiosk.station.view import ViewModel
    from kiosk.tui.port import Station

BRAND: Final = "TRẠM"
LANGUAGE_S: Final = 60.0
"""How long a language that was chosen on the welcome screen waits for its citizen."""

LEAST: Final = (35, 8)
"""Columns and rows; in less, nothing but that is said."""

_STEP_NAMES: Final = (Label.STEP_KEY, Label.STEP_CHIP, Label.STEP_FACE, Label.STEP_RESULT)
_STOPPABLE: Final = frozenset(
    {Screen.KEY, Screen.READING, Screen.FACE, Screen.FINGER, Screen.CHECKING}
)
_OPEN_ACTIONS: Final = frozenset(
    {"cancel", "press", "focus_next", "focus_previous", "app.focus_next", "app.focus_previous"}
)
"""What keys may do."""
_LEAVING_ACTIONS: Final = frozenset({"quit", "help_quit", "app.quit", "app.help_quit"})
"""What more they may do where the screen may be left: ctrl+q and ctrl+c."""


def _way_out(view: ViewModel) -> Label:
    """Return what is said of the network; what is out of service does not serve, either way."""
    if view.around.online:
        return Label.ONLINE
    closed = view.prompt is Prompt.OUT_OF_SERVICE
    return Label.OFFLINE_CLOSED if closed else Label.OFFLINE


class ViewChanged(Message):
    """The station has a new view; of one screen only the newest counts."""

    def __init__(self, view: ViewModel) -> None:
        self.view = view
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Whether this one may be left out for a newer one: never one that ends a screen."""
        return isinstance(message, ViewChanged) and message.view.screen is self.view.screen


class CitizenApp(App[None]):
    """One citizen after the other.

    Args:
        station: whose view is shown.
        locked: whether nobody in front of it may leave it; ctrl+q and ctrl+c leave an unlocked one.
    """

    CSS_PATH = Path(__file__).parents[1] / "citizen.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it
        (0, "-tiny"),
        (LEAST[0], "-narrow"),
        (48, "-medium"),
        (76, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it
        (0, "-flat"),
        (LEAST[1], "-short"),
        (12, "-middle"),
        (16, "-tall"),
        (20, "-grand"),
        (22, "-huge"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def __init__(self, station: Station, *, locked: bool = True) -> None:
        super().__init__()
        self.register_theme(THEME)
        self.theme = THEME.name
        self._station = station
        self._locked = locked
        self._speech = Speech.starting_with()
        self._view = station.view()
        self._unsubscribe: Callable[[], None] | None = None
        self._language_timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay the frame out."""
        yield Words(id="too-small")
        with Horizontal(id="head"):
            yield Static(BRAND, id="brand", markup=False)
            yield Static(id="title", markup=False)
            yield Static(id="step", markup=False)
            yield Static(id="online", markup=False)
        with Horizontal(id="simulated", classes="simulated"):
            yield Static(classes="first", markup=False)
            yield Static(classes="second", markup=False)
        with Horizontal(id="steps"):
            for name in _STEP_NAMES:
                yield Static(id=name.value, markup=False)
        with ContentSwitcher(id="body", initial=self._view.screen.value):
            for screen, pane in PANES.items():
                yield pane(id=screen.value)
        with Horizontal(id="foot"):
            yield Choice(id="cancel")
            yield Choice(id="skip")
            yield Choice(id="done", classes="good")
            yield Choice(id="details")
            yield Static(id="simulated-short", classes="simulated", markup=False)
            yield Choice(id="language")

    def on_mount(self) -> None:
        """Show the first view and listen for more."""
        self._unsubscribe = self._station.subscribe(self._told)
        self._show(self._station.view())

    def on_unmount(self) -> None:
        """Listen no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _told(self, view: ViewModel) -> None:
        """Take a view from any thread."""
        self.post_message(ViewChanged(view))

    def on_view_changed(self, message: ViewChanged) -> None:
        """Show a new view."""
        self._show(message.view)

    def _show(self, view: ViewModel) -> None:
        moved, self._view = view.screen is not self._view.screen, view
        if moved:
            self.query_one(KeyPane).clear()
            self.screen.set_focus(None)
            self.screen.remove_class("-details")
            if view.screen is Screen.WELCOME:
                self._speech = Speech.starting_with()
        self._render_view()
        if moved and view.screen is Screen.VERDICT:
            self.query_one("#done", Choice).focus()

    def _render_view(self) -> None:
        view, speech = self._view, self._speech
        with self.batch_update():
            body = self.query_one("#body", ContentSwitcher)
            body.current = view.screen.value
            body.query_one(f"#{view.screen}", Pane).show(view, speech)
            self._render_head(view, speech)
            self._render_foot(view, speech)

    def _render_head(self, view: ViewModel, speech: Speech) -> None:
        say = speech.first.say
        columns, rows = LEAST
        small = speech.both(Label.TOO_SMALL, columns=columns, rows=rows)
        self.query_one("#too-small", Words).say(small)
        self.query_one("#title", Static).update(say(Label.TITLE))
        online = say(_way_out(view))
        step = say(Label.STEP, step=view.step, steps=STEPS)
        self.query_one("#online", Static).update(online)
        self.query_one("#step", Static).update(step)
        self.screen.set_class(view.step == 0, "-idle")
        pair = speech.both(Label.SIMULATED)
        for static, text in zip(self.query("#simulated Static"), pair, strict=True):
            static.update(text)  # type: ignore[attr-defined] # the query names the type
        self.query_one("#simulated-short", Static).update(say(Label.SIMULATED_SHORT))
        self.set_class(view.around.simulated, "-simulated")
        for number, name in enumerate(_STEP_NAMES, 1):
            static = self.query_one(f"#{name}", Static)
            felt = name is Label.STEP_FACE and view.screen is Screen.FINGER
            static.update(say(Label.STEP_FINGER if felt else name))
            static.set_class(number < view.step, "-past")
            static.set_class(number == view.step, "-now")

    def _render_foot(self, view: ViewModel, speech: Speech) -> None:
        shown = {
            "cancel": view.screen in _STOPPABLE and view.prompt is not Prompt.SAVING,
            "skip": view.screen is Screen.FINGER,
            "done": view.screen is Screen.VERDICT,
            "details": view.screen is Screen.VERDICT,
        }
        for name, display in shown.items():
            choice = self.query_one(f"#{name}", Choice)
            choice.say(speech.both(Button(name)))
            choice.set_class(not display, "-off")
        other = speech.second
        language = (other.say(Button.LANGUAGE), other.say(Label.LANGUAGE))
        self.query_one("#language", Choice).say(language)

    def on_choice_pressed(self, message: Choice.Pressed) -> None:
        """Do what was pressed."""
        match message.choice.id:
            case "cancel":
                self._station.post(Cancelled())
            case "done":
                self._station.post(Dismissed())
            case "skip":
                self._station.post(FingerDeclined())
            case "details":
                self.screen.toggle_class("-details")
            case "language":
                self._turn_language()
            case str(name) if name.startswith("key-"):
                self._press_key(name.removeprefix("key-"))

    def _turn_language(self) -> None:
        self._speech = self._speech.turned()
        self._render_view()
        if self._language_timer is not None:
            self._language_timer.stop()
        self._language_timer = self.set_timer(LANGUAGE_S, self._nobody_came)

    def _nobody_came(self) -> None:
        if self._view.screen is Screen.WELCOME:
            self._speech = Speech.starting_with()
            self._render_view()

    def _press_key(self, key: str) -> None:
        pane = self.query_one(KeyPane)
        pane.press(key)
        pane.show(self._view, self._speech)

    def on_key(self, event: events.Key) -> None:
        """Take digits from a keyboard."""
        if self._view.screen is Screen.KEY:
            if event.key in DIGITS:
                self._press_key(event.key)
            elif event.key == "backspace":
                self._press_key("delete")

    def on_key_pane_complete(self, message: KeyPane.Complete) -> None:
        """Hand the key over."""
        self._station.post(KeyGiven(message.can))

    def action_cancel(self) -> None:
        """Stop, or leave the verdict."""
        if self._view.screen in _STOPPABLE:
            self._station.post(Cancelled())
        elif self._view.screen is Screen.VERDICT:
            self._station.post(Dismissed())

    def action_help_quit(self) -> None:
        """Leave on ctrl+c, too: the toolkit's own says in English how to."""
        self.exit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Refuse every action of the toolkit that a citizen has no use for."""
        if action in _OPEN_ACTIONS or (action in _LEAVING_ACTIONS and not self._locked):
            return super().check_action(action, parameters)
        return False

    def _fatal_error(self) -> None:
        """Print the kind of a crash alone: Textual's own prints every variable, digits too."""
        kind = type(self._exception).__name__
        self.panic(f"the screen failed: {kind}")
