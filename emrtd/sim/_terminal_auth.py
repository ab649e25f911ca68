"""The card's side of terminal authentication, version 1: who may read the fingers.

Knows the chain from a country verifier's certificate to a terminal's, the rights that survive it,
and the chip's only clock: the latest date that a trusted certificate brought. Does not know how a
certificate is encoded (`_cvc`).

Spec: [9303-11] "Terminal Authentication"; [TR-03110-3] certificate validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emrtd.errors import ChipMalformed
from emrtd.sim._curves import CURVES
from emrtd.sim._cvc import CVCA, DV_DOMESTIC, TERMINAL, CVCertificate, verifies
from emrtd.sim._status import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from emrtd.sim._curves import Randomness

CHALLENGE_BYTES = 8
_VERIFICATION_FAILED = 0x6300
_OUT_OF_ORDER = 0x6985
_WRONG_DATA = 0x6A80
_NO_SUCH_REFERENCE = 0x6A88


@dataclass(frozen=True, slots=True)
class _Trusted:
    """A public key that the chip believes, and what its holder may do at most."""

    certificate: CVCertificate
    curve: str
    rights: int
    domestic: bool


class TrustPoints:
    """What outlives a session: the country verifiers that a chip knows, and its date.

    Attributes:
        today: the chip's date; it only ever advances.
    """

    def __init__(self, certificates: Iterable[bytes], today: date) -> None:
        """Begin as personalised. Raises ChipMalformed: a certificate is none."""
        self.today = today
        self._known: dict[bytes, _Trusted] = {}
        for raw in certificates:
            certificate = CVCertificate.from_bytes(raw)
            if certificate.role != CVCA or not certificate.curve:
                raise ChipMalformed("CVC", "a trust point is a country verifier with its curve")
            self.add(certificate, curve=certificate.curve)

    def __bool__(self) -> bool:
        return bool(self._known)

    def add(self, certificate: CVCertificate, *, curve: str) -> None:
        """Believe a country verifier whose key is of that curve."""
        self._known[certificate.holder] = _Trusted(
            certificate, curve, certificate.rights, domestic=True
        )

    def get(self, reference: bytes) -> _Trusted | None:
        """Return a country verifier by its name."""
        return self._known.get(reference)


class TerminalAuth:
    """One session's run.

    Attributes:
        rights: what the terminal may read, once it has proved who it is.
    """

    def __init__(self, points: TrustPoints, randomness: Randomness) -> None:
        self._points = points
        self._randomness = randomness
        self._verified: dict[bytes, _Trusted] = {}
        self._signer: _Trusted | None = None
        self._terminal: _Trusted | None = None
        self._challenge = b""
        self.rights = 0

    def choose_signer(self, reference: bytes) -> None:
        """Take the key that the next certificate is verified with. Raises StatusError (6A88)."""
        self._signer = self._verified.get(reference) or self._points.get(reference)
        if self._signer is None:
            raise StatusError(_NO_SUCH_REFERENCE)

    def verify_certificate(self, raw: bytes) -> None:
        """Verify one certificate of the chain.

        Raises:
            StatusError: 6985 without a signer, 6A80 if it is no certificate, 6300 if it does not
                follow from the signer.
        """
        signer, self._signer = self._signer, None
        if signer is None:
            raise StatusError(_OUT_OF_ORDER)
        try:
            certificate = CVCertificate.from_bytes(raw)
        except ChipMalformed as error:
            raise StatusError(_WRONG_DATA) from error
        if not self._follows(certificate, signer):
            raise StatusError(_VERIFICATION_FAILED)
        self._believe(certificate, signer)

    def choose_terminal(self, reference: bytes) -> None:
        """Take the key that the terminal will prove. Raises StatusError (6A88)."""
        trusted = self._verified.get(reference)
        if trusted is None or trusted.certificate.role != TERMINAL:
            raise StatusError(_NO_SUCH_REFERENCE)
        self._terminal = trusted

    def challenge(self) -> bytes:
        """Return a new challenge. Raises StatusError (6985): no terminal was chosen."""
        if self._terminal is None:
            raise StatusError(_OUT_OF_ORDER)
        self._challenge = self._randomness(CHALLENGE_BYTES)
        return self._challenge

    def authenticate(self, signature: bytes, *, chip: bytes, terminal_key: bytes) -> None:
        """Check the terminal's proof and grant its rights.

        Args:
            signature: over the chip's name, the challenge and the terminal's ephemeral key.
            chip: the chip's name in this session.
            terminal_key: the ephemeral key of chip authentication, compressed.

        Raises:
            StatusError: 6985 out of order, 6300 if the signature is not the terminal's.
        """
        challenge, self._challenge = self._challenge, b""
        terminal = self._terminal
        if terminal is None or not challenge or not chip or not terminal_key:
            raise StatusError(_OUT_OF_ORDER)
        if not _signed(signature, chip + challenge + terminal_key, by=terminal):
            raise StatusError(_VERIFICATION_FAILED)
        self.rights = terminal.rights

    def _follows(self, certificate: CVCertificate, signer: _Trusted) -> bool:
        """Whether the signer signed it, may have, and it is not over."""
        issuing = signer.certificate.role
        may_issue = certificate.role < CVCA if issuing == CVCA else certificate.role == TERMINAL
        may_issue = may_issue and issuing != TERMINAL and (issuing != CVCA or certificate.role > 0)
        is_link = issuing == CVCA and certificate.role == CVCA
        in_time = is_link or certificate.until >= self._points.today
        return (
            (may_issue or is_link)
            and in_time
            and certificate.issuer == signer.certificate.holder
            and _signed(certificate.signature, certificate.body, by=signer)
        )

    def _believe(self, certificate: CVCertificate, signer: _Trusted) -> None:
        domestic = signer.domestic and certificate.role in {CVCA, DV_DOMESTIC, TERMINAL}
        if domestic:
            self._points.today = max(self._points.today, certificate.since)
        if certificate.role == CVCA:
            self._points.add(certificate, curve=certificate.curve or signer.curve)
            return
        self._verified[certificate.holder] = _Trusted(
            certificate,
            certificate.curve or signer.curve,
            certificate.rights & signer.rights,
            domestic=domestic,
        )


def _signed(signature: bytes, message: bytes, *, by: _Trusted) -> bool:
    return verifies(
        signature,
        message,
        point=by.certificate.point,
        curve=CURVES[by.curve],
        scheme=by.certificate.scheme,
    )
