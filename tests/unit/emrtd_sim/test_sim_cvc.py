"""Card-verifiable certificates, with openpace's tools at the other end."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_material import make_pki

from emrtd.errors import ChipMalformed
from emrtd.sim import TestPKI
from emrtd.sim._curves import CURVES
from emrtd.sim._cvc import (
    CVCA,
    DV_DOMESTIC,
    READS_FINGERS,
    READS_IRIS,
    TERMINAL,
    CVCertificate,
    issue,
    verifies,
)

if TYPE_CHECKING:
    from pathlib import Path

ROLES = {"cvca": CVCA, "verifier": DV_DOMESTIC, "terminal": TERMINAL}
PKI = make_pki()
RAW = PKI.terminal.certificate

needs_openpace = pytest.mark.skipif(
    not (shutil.which("cvc-print") and shutil.which("cvc-create")),
    reason="openpace's cvc-print and cvc-create are not installed",
)


@needs_openpace
@pytest.mark.parametrize("curve", ["brainpoolP256r1", "P-256", "brainpoolP384r1", "P-521"])
def test_openpace_verifies_the_chain(tmp_path: Path, curve: str) -> None:
    from sim_material import SINCE, UNTIL, stream

    pki = TestPKI.create(stream(curve), valid_from=SINCE, valid_until=UNTIL, signer_curve=curve)
    for role in ROLES:
        raw = getattr(pki, role).certificate
        holder = CVCertificate.from_bytes(raw).holder.decode()
        (tmp_path / holder).write_bytes(raw)
    for role in ROLES:
        holder = CVCertificate.from_bytes(getattr(pki, role).certificate).holder.decode()
        command = ["cvc-print", "--cvc", holder, "--cvc-dir", f"{tmp_path}/"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "certificate verified" in done.stdout
        assert "Read fingerprint" in done.stdout
        assert "Effective Date: 2020-01-01" in done.stdout


@needs_openpace
def test_a_certificate_of_openpace_is_read_and_verified(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(PKI.cvca.key)
    command = [
        "cvc-create", "--role=cvca", "--type=is", "--chr=VNOPENPACE00001", "--issued=200101",
        "--expires=350102", "--sign-with=key", "--key=key", "--scheme=ECDSA_SHA_256",
        "--read-finger", "--out-cert=made",
    ]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    made = CVCertificate.from_bytes((tmp_path / "made").read_bytes())
    assert (made.issuer, made.holder) == (b"VNOPENPACE00001",) * 2
    assert (made.role, made.rights, made.curve) == (CVCA, READS_FINGERS, "brainpoolP256r1")
    assert (made.since, made.until) == (date(2020, 1, 1), date(2035, 1, 2))
    for body, holds in ((made.body, True), (made.body + b"\0", False)):
        found = verifies(
            made.signature, body, point=made.point, curve=CURVES[made.curve], scheme=made.scheme
        )
        assert found == holds


@pytest.mark.parametrize("role", ROLES)
def test_it_reads_what_it_issued(pki: TestPKI, role: str) -> None:
    made = CVCertificate.from_bytes(getattr(pki, role).certificate)
    assert (made.role, made.rights) == (ROLES[role], READS_FINGERS | READS_IRIS)
    assert bool(made.curve) == (role == "cvca")
    whole = getattr(pki, role).certificate
    assert CVCertificate.from_bytes(whole[whole.index(b"\x7f\x4e") :]) == made


@pytest.mark.parametrize("cut", range(0, len(RAW), 7))
def test_a_cut_off_certificate_is_refused(cut: int) -> None:
    with pytest.raises(ChipMalformed):
        CVCertificate.from_bytes(RAW[:cut])


@given(raw=st.binary(max_size=400))
@settings(max_examples=200)
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(ChipMalformed):
        CVCertificate.from_bytes(raw)


@given(at=st.integers(0, len(RAW) - 1), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_a_changed_bit_is_refused_or_does_not_verify(at: int, bit: int) -> None:
    raw = bytearray(RAW)
    raw[at] ^= 1 << bit
    issuer = CVCertificate.from_bytes(PKI.verifier.certificate)
    try:
        made = CVCertificate.from_bytes(bytes(raw))
    except ChipMalformed:
        return
    curve = CURVES["brainpoolP256r1"]
    assert not verifies(
        made.signature, made.body, point=issuer.point, curve=curve, scheme=issuer.scheme
    )


def test_another_curve_or_algorithm_is_refused() -> None:
    key = ec.derive_private_key(7, ec.BrainpoolP256R1())
    made = issue(
        issuer="VNX00001", holder="VNX00001", key=key, issuer_key=key, authorisation=CVCA,
        since=date(2020, 1, 1), until=date(2030, 1, 1),
    )  # fmt: skip
    assert CVCertificate.from_bytes(made).curve == "brainpoolP256r1"
    order = CURVES["brainpoolP256r1"].order.to_bytes(32, "big")
    for old, new in (
        (order, order[:-1] + b"\0"),
        (bytes.fromhex("04007F00070202020203"), bytes.fromhex("04007F00070202020103")),
        (bytes.fromhex("04007F000703010201"), bytes.fromhex("04007F000703010202")),
        (bytes.fromhex("5F2506020000010001"), bytes.fromhex("5F2506020001030001")),
        (bytes.fromhex("5F290100"), bytes.fromhex("5F290101")),
    ):
        assert old in made
        with pytest.raises(ChipMalformed):
            CVCertificate.from_bytes(made.replace(old, new))
