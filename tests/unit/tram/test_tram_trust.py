from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from emrtd.sim import TestPKI
from tram.trust import describe, parts_of, trust

AT = datetime(2026, 6, 1, tzinfo=UTC)
DATA = os.environ.get("TRAM_TESTDATA")


def tram_trust(*arguments: object) -> Result:
    return CliRunner().invoke(trust, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def pki() -> TestPKI:
    return TestPKI.create(
        os.urandom,
        valid_from=datetime(2021, 1, 1, tzinfo=UTC),
        valid_until=datetime(2041, 1, 1, tzinfo=UTC),
    )


def test_der_and_pem_of_one_certificate_are_imported_once(tmp_path: Path, pki: TestPKI) -> None:
    der, into = pki.csca.certificate, tmp_path / "trust"
    (tmp_path / "csca.der").write_bytes(der)
    certificate = x509.load_der_x509_certificate(der)
    (tmp_path / "csca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    done = tram_trust("import", tmp_path / "csca.der", tmp_path / "csca.pem", "--into", into)
    assert done.exit_code == 0
    assert [path.read_bytes() for path in into.iterdir()] == [der]
    (row,) = json.loads(tram_trust("list", into, "--json").stdout)
    assert row == {
        "subject": "Common Name: Tram Test CSCA, Organization: Tram Test, Country: VN",
        "country": "VN", "key": "ec 384", "not_after": "2041-01-01T00:00:00Z",
        "usable": True, "why_not": None,
    }  # fmt: skip


@pytest.mark.parametrize("cut", [0, 1, 10, 100, 400, -1])
def test_what_is_no_certificate_is_not_imported(tmp_path: Path, pki: TestPKI, cut: int) -> None:
    (tmp_path / "bad").write_bytes(pki.csca.certificate[:cut])
    done = tram_trust("import", tmp_path / "bad", "--into", tmp_path / "trust")
    assert done.exit_code == 1
    assert not list((tmp_path / "trust").iterdir())


def test_a_security_object_is_no_master_list(pki: TestPKI) -> None:
    from emrtd.sim.pki import sign_security_object

    with pytest.raises(ValueError, match="no master list"):
        list(parts_of(sign_security_object(b"\x30\x05\x02\x01\x00\x31\x00", pki.signer)))


@pytest.mark.parametrize(
    ("role", "at", "why_not"),
    [
        ("csca", AT, None),
        ("csca", datetime(2020, 1, 1, tzinfo=UTC), "not yet valid"),
        ("csca", datetime(2042, 1, 1, tzinfo=UTC), "expired"),
        ("expired_signer", AT, "expired"),
        ("signer", AT, "not a certificate authority"),
    ],
)
def test_each_issuer_is_usable_or_says_why_not(
    pki: TestPKI, role: str, at: datetime, why_not: str | None
) -> None:
    row = describe(getattr(pki, role).certificate, at=at)
    assert (row["usable"], row["why_not"]) == (why_not is None, why_not)


def test_what_is_no_certificate_is_listed_as_that(tmp_path: Path) -> None:
    (tmp_path / "x.der").write_bytes(b"x")
    (row,) = json.loads(tram_trust("list", tmp_path, "--json").stdout)
    assert (row["usable"], row["why_not"]) == (False, "no certificate")


@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA: data/csca/DE_ML_2026-05-28.ml")
def test_a_states_master_list_is_imported_whole(tmp_path: Path) -> None:
    listed = Path(DATA or "") / "data" / "csca" / "DE_ML_2026-05-28.ml"
    assert tram_trust("import", listed, "--into", tmp_path).exit_code == 0
    rows = json.loads(tram_trust("list", tmp_path, "--json").stdout)
    assert len(rows) == 588
    assert all(row["country"] and row["key"] and row["subject"] for row in rows)
