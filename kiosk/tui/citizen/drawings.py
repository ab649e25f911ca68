"""Pictures made of characters, for those who read neither language.

Every character is in Noto Sans Mono, which a kiosk shows alone (a tick, a star and a delete sign
are not). Left and right are the person's own, and a screen faces the person.
"""

from __future__ import annotations

from typing import Final

from kiosk.session.prompts import CheckState, Prompt

CARD: Final = """\
╭──────────────────────╮
│ ▄▄▄▄▄   ━━━━━━━━━━   │
│ █████   ━━━━━━       │
│ █████   ━━━━━━━━     │
╰──────────────────────╯
      ▼     ▼     ▼
▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄"""

ON_READER: Final = """\
╭──────────────────────╮
│ ▄▄▄▄▄   ━━━━━━━━━━   │
│ █████   ━━━━━━       │
│ █████   ━━━━━━━━     │
╰──────────────────────╯
▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀"""

LEFT: Final = """\
     ▄█
   ▄███
 ▄██████████████
 ▀██████████████
   ▀███
     ▀█"""

RIGHT: Final = """\
         █▄
         ███▄
██████████████▄
██████████████▀
         ███▀
         █▀"""

AHEAD: Final = """\
╭──          ──╮
│   ▄▀▀▀▀▀▀▄   │
    █ ●  ● █
    █  ▄▄  █
│   ▀▄▄▄▄▄▄▀   │
╰──          ──╯"""

LIDS: Final = """\
   ▄▀▀▀▀▀▀▄
    █ ▬  ▬ █
    █  ▄▄  █
   ▀▄▄▄▄▄▄▀"""

FINGER_DOWN: Final = """\
      ▄▄▄▄
     █    █
     █    █
   ╭─█ ∩∩ █─╮
   │ ▀▄▄▄▄▀ │
   ╰────────╯"""

FINGER_UP: Final = """\
      ▄▄▄▄
     █    █
     █ ∩∩ █
     ▀▄▄▄▄▀
       ▲
   ╭────────╮
   ╰────────╯"""

TICK: Final = """\
       ▄█
▄▄   ▄█▀
 ▀█▄█▀"""

DESK: Final = """\
   ▀▀
  ▀██
  ▄██▄"""

AGAIN: Final = """\
▄▄  ▄▄  ▄▄
██  ██  ██"""

SIGNS: Final = {
    Prompt.LOOK_AHEAD: "●  ●",
    Prompt.TURN_LEFT: "◀━━━━━━━━━━━━",
    Prompt.TURN_RIGHT: "━━━━━━━━━━━━▶",
    Prompt.BLINK: "▬  ▬   ▶   ●  ●",
    Prompt.PLACE_FINGER: "▼",
    Prompt.LIFT_FINGER: "▲",
}
"""The cues where there is one row."""

CUES: Final = {
    Prompt.LOOK_AHEAD: AHEAD,
    Prompt.TURN_LEFT: LEFT,
    Prompt.TURN_RIGHT: RIGHT,
    Prompt.BLINK: LIDS,
}

FINGERS: Final = {Prompt.PLACE_FINGER: FINGER_DOWN, Prompt.LIFT_FINGER: FINGER_UP}

WELCOMES: Final = {Prompt.PLACE_CARD: CARD, Prompt.OUT_OF_SERVICE: DESK}

VERDICTS: Final = {
    Prompt.ACCEPTED: TICK,
    Prompt.GO_TO_DESK: DESK,
    Prompt.OUT_OF_SERVICE: DESK,
    Prompt.TRY_AGAIN: AGAIN,
}

MARKS: Final = {
    CheckState.PASSED: "√",
    CheckState.NOT_PASSED: "…",
    CheckState.NOT_DONE: "–",  # noqa: RUF001 - a dash is meant, as wide as the tick
}

TYPED: Final = "●"
OPEN: Final = "○"
