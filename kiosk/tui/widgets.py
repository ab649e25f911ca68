"""Parts that every screen is made of: words in two languages, something to press, a bar.

Knows how they are drawn and pressed. Does not know what they say nor what follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.geometry import Size

    from kiosk.tui.speech import Pair

_BEAT_S: Final = 0.25
_CHUNK: Final = 4
"""The part of an unknown bar's width that moves: one in so many."""


class Words(Vertical):
    """One thing that is said: the chosen language in bold, the other below."""

    def compose(self) -> ComposeResult:
        """Lay both out."""
        yield Static(classes="first", markup=False)
        yield Static(classes="second", markup=False)

    def say(self, pair: Pair | None) -> None:
        """Show these words; None: nothing, and take no room."""
        self.set_class(pair is None, "-off")
        for static, text in zip(self.query(Static), pair or ("", ""), strict=True):
            static.update(text)


class Choice(Widget, can_focus=True):
    """Something to press, by touch, mouse, Enter or Space.

    It is not focused by being touched and has no look of its own under a pointer, so that a keypad
    does not show which digit was pressed last.
    """

    FOCUS_ON_CLICK: ClassVar[bool] = False
    ALLOW_SELECT: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "press", show=False),
        Binding("space", "press", show=False),
    ]

    class Pressed(Message):
        """It was pressed."""

        def __init__(self, choice: Choice) -> None:
            self.choice = choice
            super().__init__()

        @property
        def control(self) -> Choice:
            """Return what was pressed."""
            return self.choice

    def __init__(self, first: str = "", second: str = "", **named: Any) -> None:
        self._words: Pair = (first, second)
        super().__init__(**named)

    def say(self, pair: Pair) -> None:
        """Show these words, both only where there is room for two lines."""
        self._words = pair
        self.refresh(layout=True)

    def render(self) -> Content:
        """Draw the words."""
        first, second = self._words
        if second and self.content_size.height > 1:
            return Content.assemble((first, "bold"), "\n", (second, "not bold"))
        return Content.styled(first, "bold")

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - Textual's
        """Return the width of the longer line that there is room for."""
        height = self.styles.height
        flat = height is not None and height.is_cells and height.value <= 1
        return max(cell_len(text) for text in self._words[: 1 if flat else 2])

    def action_press(self) -> None:
        """Say that it was pressed."""
        self.post_message(self.Pressed(self))

    def on_click(self) -> None:
        """Take a touch for a press."""
        self.action_press()


class Meter(Widget):
    """A bar: how far something is, or, if nobody knows, that it goes on."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"meter--done", "meter--rest"}

    progress: reactive[float | None] = reactive(None)
    _beat: reactive[int] = reactive(0)

    def on_mount(self) -> None:
        """Begin to move."""
        if self.app.animation_level != "none":
            self.set_interval(_BEAT_S, self._move)

    def _move(self) -> None:
        if self.progress is None:
            self._beat += 1

    def render(self) -> Content:
        """Draw it over the whole height."""
        width, height = self.content_size
        begin, end = self._done(width)
        done, rest = (self.get_visual_style(f"meter--{part}") for part in ("done", "rest"))
        parts = [(" " * begin, rest), (" " * (end - begin), done), (" " * (width - end), rest)]
        line = Content.assemble(*(part for part in parts if part[0]))
        return Content("\n").join([line] * max(height, 1))

    def _done(self, width: int) -> tuple[int, int]:
        if self.progress is not None:
            return 0, round(width * min(max(self.progress, 0.0), 1.0))
        chunk = max(width // _CHUNK, 1)
        begin = self._beat % max(width - chunk + 1, 1)
        return begin, begin + chunk
