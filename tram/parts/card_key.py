"""What opens a card, as it is given on a command line: a CAN, a zone, a PIN, or what the code says.

Knows the four forms. Whether it opens a card is between the card and `emrtd`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from emrtd.errors import EMRTDError
from emrtd.keys import CAN, PIN, MRZKey
from emrtd.mrz import PERSONAL_NUMBER_DIGITS

if TYPE_CHECKING:
    from emrtd.keys import Password


_FORMS: Final = {
    "can": "--can: a CAN has six digits; on a citizen card, the last six of its number",
    "pin": "--pin: a PIN has four digits or more",
    "mrz": "--mrz: a zone has all its lines and its check digits; six digits are a CAN: --can",
    "qr": "--qr: a code begins with twelve digits, the number; six digits are a CAN: --can",
}
"""What each has."""


def password(
    *, can: str | None, mrz: str | None = None, qr: str | None = None, pin: str | None = None
) -> Password:
    """Return what opens the card; exactly one of the four is given.

    Args:
        can: six digits; on a Vietnamese card the last six of its number.
        mrz: the printed zone's lines, joined, or NUMBER|YYMMDD|YYMMDD.
        qr: what the code on the card says; it begins with the personal number.
        pin: what its holder chose, for chips that know one.

    Raises:
        click.UsageError: none or several were given, or what was given opens no card.
    """
    if sum(each is not None for each in (can, mrz, qr, pin)) != 1:
        raise click.UsageError("give one of --can, --mrz, --qr and --pin")
    try:
        if pin is not None:
            return PIN(pin)
        if mrz is not None:
            parts = mrz.split("|")
            return MRZKey(*parts) if len(parts) == 3 else MRZKey.from_mrz("".join(mrz.split()))
        return CAN(can if qr is None else _can_of_code(qr))  # type: ignore[arg-type] # one is given
    except (ValueError, EMRTDError):
        # Without its cause, which may quote what was given.
        given = {"can": can, "pin": pin, "mrz": mrz, "qr": qr}
        (name,) = (each for each, value in given.items() if value is not None)
        raise click.UsageError(_FORMS[name]) from None


def _can_of_code(text: str) -> str:
    number = text.partition("|")[0].strip()
    if len(number) != PERSONAL_NUMBER_DIGITS or not (number.isascii() and number.isdigit()):
        raise ValueError("the code does not begin with a personal number")
    return number[-6:]
