"""The folder of issuers: all of it, or an error that names the file."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from emrtd.sim import TestPKI
from kiosk.bundles import trust
from kiosk.bundles.trust import MAX_ANCHOR_BYTES, TrustUnusableError, load_trust

if TYPE_CHECKING:
    from pathlib import Path

SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
NOW = 1_780_000_000.0
DAY = 86_400


@pytest.fixture(scope="module")
def pki() -> TestPKI:
    return TestPKI.create(os.urandom, valid_from=SINCE, valid_until=UNTIL)


@pytest.fixture(scope="module")
def revocations(pki: TestPKI) -> bytes:
    return a_list(pki)


def a_list(pki: TestPKI, *, signed_by: TestPKI | None = None, indirect: bool = False) -> bytes:
    """Return a list that another library makes: one serial number."""
    issuer = x509.load_der_x509_certificate(pki.csca.certificate)
    revoked = x509.RevokedCertificateBuilder(serial_number=7, revocation_date=SINCE)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.subject,
        last_update=SINCE,
        next_update=UNTIL,
        revoked_certificates=[revoked.build()],
    )
    if indirect:
        point = x509.IssuingDistributionPoint(
            None, None, False, False, None, indirect_crl=True,
            only_contains_attribute_certs=False,
        )  # fmt: skip
        builder = builder.add_extension(point, critical=True)
    key = load_der_private_key((signed_by or pki).csca.key, None)
    return builder.sign(key, hashes.SHA384()).public_bytes(Encoding.DER)


def put(folder: Path, name: str, raw: bytes, *, days_ago: float = 0) -> None:
    path = folder / name
    path.write_bytes(raw)
    os.utime(path, (NOW - days_ago * DAY,) * 2)


def test_issuers_and_lists_are_found_by_their_endings(
    tmp_path: Path, pki: TestPKI, revocations: bytes
) -> None:
    put(tmp_path, "b.der", pki.csca.certificate, days_ago=9)
    put(tmp_path, "a.der", b"no certificate", days_ago=400)
    put(tmp_path, "c.crl", revocations, days_ago=2.9)
    put(tmp_path, "newer.txt", b"not looked at")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "d.der").write_bytes(pki.signer.certificate)
    loaded = load_trust(tmp_path, now=NOW)
    assert [entry["usable"] for entry in loaded.store.list()] == [False, True]
    (entry,) = loaded.store.revocation_lists()
    assert (entry["revoked"], entry["usable"]) == (1, True)
    assert loaded.age_days == 2


@pytest.mark.parametrize(
    ("days_ago", "age"), [(0, 0), (0.99, 0), (1, 1), (30.5, 30), (-3, 0)]
)  # fmt: skip
def test_its_age_is_that_of_the_newest_file(
    tmp_path: Path, pki: TestPKI, days_ago: float, age: int
) -> None:
    put(tmp_path, "a.der", pki.csca.certificate, days_ago=days_ago)
    put(tmp_path, "b.der", pki.csca.certificate, days_ago=500)
    assert load_trust(tmp_path, now=NOW).age_days == age


def test_an_empty_folder_trusts_nobody_and_has_no_age(tmp_path: Path) -> None:
    loaded = load_trust(tmp_path, now=NOW)
    assert loaded.store.list() == ()
    assert loaded.age_days is None


def test_a_revocation_list_that_is_none_stops_everything(tmp_path: Path, pki: TestPKI) -> None:
    put(tmp_path, "a.der", pki.csca.certificate)
    put(tmp_path, "b.crl", b"\x30\x00")
    with pytest.raises(TrustUnusableError):
        load_trust(tmp_path, now=NOW)


def test_a_trusted_issuers_list_that_cannot_be_used_stops_everything(
    tmp_path: Path, pki: TestPKI
) -> None:
    """A forged one is refused like one that says what is not understood: neither is left out."""
    other = TestPKI.create(os.urandom, valid_from=SINCE, valid_until=UNTIL)
    put(tmp_path, "a.der", pki.csca.certificate)
    put(tmp_path, "b.crl", a_list(pki))
    load_trust(tmp_path, now=NOW)
    put(tmp_path, "c.crl", a_list(pki, signed_by=other))
    with pytest.raises(TrustUnusableError, match=r"c\.crl: signature invalid"):
        load_trust(tmp_path, now=NOW)
    put(tmp_path, "c.crl", a_list(pki, indirect=True))
    with pytest.raises(TrustUnusableError, match=r"c\.crl: speaks for other issuers"):
        load_trust(tmp_path, now=NOW)


def test_a_strangers_list_is_reported_and_stops_nothing(
    tmp_path: Path, pki: TestPKI, revocations: bytes
) -> None:
    put(tmp_path, "b.crl", revocations)
    put(tmp_path, "c.crl", revocations)
    (entry,) = load_trust(tmp_path, now=NOW).store.revocation_lists()
    assert (entry["usable"], entry["why_not"]) == (False, "issuer unknown")
    put(tmp_path, "a.der", pki.csca.certificate)
    (entry,) = load_trust(tmp_path, now=NOW).store.revocation_lists()
    assert entry["usable"]


def test_what_cannot_be_read_is_named(tmp_path: Path, pki: TestPKI) -> None:
    with pytest.raises(TrustUnusableError, match="nowhere"):
        load_trust(tmp_path / "nowhere", now=NOW)
    put(tmp_path, "a.der", pki.csca.certificate)
    (tmp_path / "x.der").mkdir()
    with pytest.raises(TrustUnusableError, match=r"x\.der"):
        load_trust(tmp_path, now=NOW)


def test_every_size_and_number_is_bounded(
    tmp_path: Path, pki: TestPKI, revocations: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.der", pki.csca.certificate)
    put(tmp_path, "a.crl", revocations)
    put(tmp_path, "b.der", bytes(MAX_ANCHOR_BYTES))
    load_trust(tmp_path, now=NOW)
    put(tmp_path, "b.der", bytes(MAX_ANCHOR_BYTES + 1))
    with pytest.raises(TrustUnusableError, match=r"b\.der: too large"):
        load_trust(tmp_path, now=NOW)
    (tmp_path / "b.der").unlink()
    monkeypatch.setattr(trust, "MAX_TRUST_BYTES", len(pki.csca.certificate) + len(revocations))
    load_trust(tmp_path, now=NOW)
    monkeypatch.setattr(trust, "MAX_TRUST_BYTES", len(pki.csca.certificate) + len(revocations) - 1)
    with pytest.raises(TrustUnusableError, match="too large"):
        load_trust(tmp_path, now=NOW)
    monkeypatch.undo()
    monkeypatch.setattr(trust, "MAX_FILES", 1)
    load_trust(tmp_path, now=NOW)
    put(tmp_path, "b.crl", revocations)
    with pytest.raises(TrustUnusableError, match=r"more than 1 files \*\.crl"):
        load_trust(tmp_path, now=NOW)
