"""A chip and its issuer: personalise, answer, misbehave.

The card's side of every protocol, written apart from the reader's: of the library it imports only
the TLV, the APDU and the errors. It serves the demo, training and the tests; its cards are signed
by issuers whose names say that they are tests, and no number in it is a person's.
"""

from emrtd.sim.card_image import CardImage
from emrtd.sim.chip import Chip
from emrtd.sim.faults import FAULTS, FaultCase, UnknownFaultError
from emrtd.sim.personalise import Holder, clone, expiry, personalise, tamper
from emrtd.sim.pki import TestPKI

__all__ = [
    "FAULTS",
    "CardImage",
    "Chip",
    "FaultCase",
    "Holder",
    "TestPKI",
    "UnknownFaultError",
    "clone",
    "expiry",
    "personalise",
    "tamper",
]
