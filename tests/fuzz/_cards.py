"""What the targets of the library share: four made-up cards, their issuer, their honest talks.

Everything is made here, from seeds, and is the same each time; nobody's number is in it.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from emrtd.apdu import Command, Response
from emrtd.dialogue import drive
from emrtd.files import ReadPlan
from emrtd.inspect import confirm_presence, inspect
from emrtd.keys import CAN, MRZKey
from emrtd.master_list import MASTER_LIST, MASTER_LIST_SIGNER
from emrtd.sim import CardImage, Chip, Holder, TestPKI, _cms, _der, personalise
from emrtd.sim._cms import Identity
from emrtd.trust import TrustStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emrtd.dialogue import Dialogue
    from emrtd.inspect import Inspection
    from emrtd.keys import Password

JPEG = bytes.fromhex("FFD8FFC0000B080190012C01011100FFD9")
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOLDER = Holder(
    number="999195012345", name="NGUYỄN THỊ MẪU", birth=date(1995, 1, 1), sex="F",
    issued=date(2021, 6, 1), expiry=date(2035, 1, 1),
)  # fmt: skip
WANTED = frozenset({"DG1", "DG2", "DG7", "DG11", "DG12", "DG13", "DG16"})
PLAN = ReadPlan(max_commands=400)


def stream(seed: str) -> Callable[[int], bytes]:
    """Return a source of bytes that gives the same ones each time."""
    count = 0

    def randomness(size: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_256(f"{seed} {count}".encode()).digest(size)

    return randomness


@cache
def issuer() -> TestPKI:
    """Return the one issuer of all cards here."""
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
    return TestPKI.create(stream("pki"), valid_from=since, valid_until=until)


@cache
def trust() -> TrustStore:
    """Return a store that trusts this issuer."""
    return TrustStore([issuer().csca.certificate], [issuer().crl])


class Issued(NamedTuple):
    """A card and what opens it."""

    card: CardImage
    password: Password


@cache
def issued() -> tuple[Issued, ...]:
    """Return the cards by the fuzzer's number: cheap to open, then as states issue them."""
    bac, pace = frozenset({"bac"}), frozenset({"pace"})
    options: tuple[dict[str, object], ...] = (
        {"generation": "passport", "access": bac, "cipher": "3DES", "auth": frozenset({"aa"})},
        {"generation": "2021", "access": pace},
        {"generation": "2024", "pace": "cam", "auth": frozenset({"cam"})},
        {"generation": "passport", "access": bac, "cipher": "AES-128", "auth": frozenset()},
    )
    made = []
    for number, chosen in enumerate(options):
        card = personalise(
            HOLDER, JPEG, pki=issuer(), randomness=stream(f"card {number}"), **chosen
        )  # type: ignore[arg-type] # one table of many options
        zone = card.files["DG1"][5:].decode("ascii")
        passport = card.generation == "passport"
        made.append(Issued(card, MRZKey.from_mrz(zone) if passport else CAN(card.can)))
    return tuple(made)


@cache
def list_signer() -> Identity:
    """Return a signer of master lists that nobody trusts."""
    key = ec.derive_private_key(11, ec.SECP256R1())
    subject = _cms.name("Tram Test", "Tram Test ML")
    usage = dict.fromkeys(_cms._USAGES, False) | {"digital_signature": True}
    signer = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 5)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2035, 1, 1, tzinfo=UTC))
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.ObjectIdentifier(MASTER_LIST_SIGNER)]), critical=True
        )
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    return Identity(signer.public_bytes(Encoding.DER), _cms.pkcs8(key))


def list_of_issuers(certificates: Sequence[bytes]) -> bytes:
    """Return a master list of these."""
    content = _der.sequence(_der.integer(0), _der.set_of(*certificates))
    return _cms.sign(content, list_signer(), kind=MASTER_LIST)


class Talk:
    """An honest inspection: what was said, and what came of it.

    Attributes:
        said: each command with its answer.
        evidence: that it gave.
    """

    def __init__(self, honest: Issued) -> None:
        self.said: list[tuple[bytes, bytes]] = []
        chip = Chip(honest.card, randomness=stream("chip"))

        def wire(command: Command) -> Response:
            raw = command.to_bytes()
            self.said.append((raw, chip.answer(raw)))
            return Response.from_bytes(self.said[-1][1])

        inspection = drive(inspection_of(honest, PLAN), wire)
        drive(confirm_presence(inspection), wire)
        self.evidence = inspection.evidence

    @property
    def answers(self) -> list[bytes]:
        """What the chip said."""
        return [answer for _, answer in self.said]


@cache
def talk(number: int) -> Talk:
    """Return the honest inspection of a card."""
    return Talk(issued()[number])


def inspection_of(honest: Issued, plan: ReadPlan) -> Dialogue[Inspection]:
    """Return the dialogue of the one inspection that all targets run."""
    return inspect(
        honest.password, wanted=WANTED, randomness=stream("reader"), aa_nonce=bytes(range(8)),
        plan=plan,
    )  # fmt: skip
