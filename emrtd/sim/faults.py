"""Every way in which a test card lies, as data: what it does, and what must be found.

Knows the whole table and how a lie is asked for. Does not know how a reader finds out: the expected
finding was written first, from the standard and the attack.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from emrtd.sim import _faults_files, _faults_issuer, _faults_protocol, _faults_reader, _faults_wire
from emrtd.sim._fault_case import FaultCase
from emrtd.sim._manner import Manner, UnknownFaultError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrtd.sim._curves import Randomness

__all__ = ["FAULTS", "FaultCase", "Manner", "UnknownFaultError", "begin"]

_MAX_DIGITS = 7

FAULTS: Mapping[str, FaultCase] = MappingProxyType(
    {
        **_faults_issuer.CASES,
        **_faults_files.CASES,
        **_faults_wire.CASES,
        **_faults_protocol.CASES,
        **_faults_reader.CASES,
    }
)
"""Name to case; `torn` is asked for as "torn:12"."""


def begin(fault: str | None, *, randomness: Randomness) -> Manner:
    """Return the manner of a chip with that fault; None is honest.

    Raises:
        UnknownFaultError: no such fault, or its number is missing or unwanted.
    """
    if fault is None:
        return Manner(0, randomness)
    name, colon, number = fault.partition(":")
    case = FAULTS.get(name)
    if case is None:
        raise UnknownFaultError(f"no fault is called {name[:40]!r}")
    if bool(colon) != case.takes_number:
        raise UnknownFaultError(f"{name} takes {'a' if case.takes_number else 'no'} number")
    if case.takes_number and not (
        number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS
    ):
        raise UnknownFaultError(f"{name} takes a number after its colon")
    return case.manner(int(number) if number else 0, randomness)
