from __future__ import annotations

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import cms, core, pem
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from openssl_issuer import (
    DS,
    Identity,
    issued,
    needs_openssl,
    revocation_list,
    root,
    signed,
)

from emrtd import master_list
from emrtd.sim import TestPKI
from emrtd.tlv import encode
from tram.trust import MAX_FILE_BYTES, describe, parts_of, trust

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


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_folder_without_an_issuer_is_not_listed_in_silence(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = tram_trust("list", tmp_path, *options)
    assert (done.exit_code, done.stdout) == (0, "[]\n" if options else "")
    assert done.stderr == (
        f"tram trust: {tmp_path} holds no issuer's certificate (*.der): nobody is trusted\n"
    )


def test_der_and_pem_of_one_certificate_are_imported_once(tmp_path: Path, pki: TestPKI) -> None:
    der, into = pki.csca.certificate, tmp_path / "trust"
    (tmp_path / "csca.der").write_bytes(der)
    certificate = x509.load_der_x509_certificate(der)
    (tmp_path / "csca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    done = tram_trust("import", tmp_path / "csca.der", tmp_path / "csca.pem", "--into", into)
    assert done.exit_code == 0
    assert "not usable" not in done.stderr
    assert [path.read_bytes() for path in into.iterdir()] == [der]
    (row,) = json.loads(tram_trust("list", into, "--json").stdout)
    assert row == {
        "subject": "Common Name: Tram Test CSCA, Organization: Tram Test, Country: VN",
        "country": "VN", "kind": "root", "key": "EC brainpoolP384r1",
        "not_after": "2041-01-01T00:00:00Z",
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

    with pytest.raises(ValueError, match="no certificate, revocation list or master list"):
        list(parts_of(sign_security_object(b"\x30\x05\x02\x01\x00\x31\x00", pki.signer)))


@pytest.mark.parametrize(
    ("role", "at", "why_not"),
    [
        ("csca", AT, None),
        ("csca", datetime(2020, 1, 1, tzinfo=UTC), "not yet valid"),
        ("csca", datetime(2042, 1, 1, tzinfo=UTC), "expired"),
        ("expired_signer", AT, "not a certificate authority"),
        ("signer", AT, "not a certificate authority"),
    ],
)
def test_each_issuer_is_usable_or_says_why_not(
    pki: TestPKI, role: str, at: datetime, why_not: str | None
) -> None:
    row = describe(getattr(pki, role).certificate, at=at)
    assert (row["usable"], row["why_not"]) == (why_not is None, why_not)


def test_whoever_imports_what_will_not_be_believed_is_told(tmp_path: Path, pki: TestPKI) -> None:
    given = []
    for name in ("csca", "signer", "expired_signer"):
        given.append(tmp_path / f"{name}.der")
        given[-1].write_bytes(getattr(pki, name).certificate)
    done = tram_trust("import", *given, "--into", tmp_path / "trust")
    assert done.exit_code == 0
    told = [line.partition(".der: ")[2] for line in done.stderr.splitlines()]
    unusable = "1 imported; not usable: 1 not a certificate authority"
    assert told == ["1 imported", unusable, unusable]


def test_what_is_no_certificate_is_listed_as_that(tmp_path: Path) -> None:
    (tmp_path / "x.der").write_bytes(b"x")
    (row,) = json.loads(tram_trust("list", tmp_path, "--json").stdout)
    assert (row["usable"], row["why_not"]) == (False, "not a certificate")


def a_list(tmp_path: Path, signer: Identity, *, other: bool = False) -> Path:
    """Write a master list that openssl signs, or that says something else than was signed."""
    listed = signer.der if not other else root(name="/C=VN/CN=other").der
    body = b"\x02\x01\x00" + encode(0x31, listed)
    raw = signed(encode(0x30, body), signer, content_type="2.23.136.1.1.2")
    if other:
        outer = cms.ContentInfo.load(raw)
        body = b"\x02\x01\x00" + encode(0x31, root().der)
        content = core.ParsableOctetString(encode(0x30, body))
        outer["content"]["encap_content_info"]["content"] = content
        raw = outer.dump(force=True)
    path = tmp_path / "list.ml"
    path.write_bytes(raw)
    return path


def a_signer() -> Identity:
    return issued(
        root(), name="/C=VN/CN=ML", number=9,
        extensions=DS + "extendedKeyUsage=critical,2.23.136.1.1.3\n",
    )  # fmt: skip


@needs_openssl
def test_a_list_is_taken_and_it_is_said_that_nobody_checked_whose_it_is(tmp_path: Path) -> None:
    done = tram_trust("import", a_list(tmp_path, a_signer()), "--into", tmp_path / "trust")
    assert (done.exit_code, len(list((tmp_path / "trust").iterdir()))) == (0, 1)
    assert "not checked" in done.stderr
    assert "1 imported" in done.stderr


@needs_openssl
def test_a_list_that_was_changed_is_not_imported(tmp_path: Path) -> None:
    path = a_list(tmp_path, a_signer(), other=True)
    done = tram_trust("import", path, "--into", tmp_path / "trust")
    assert done.exit_code == 1
    assert "signature does not hold" in done.stderr
    assert not list((tmp_path / "trust").iterdir())


@needs_openssl
@pytest.mark.parametrize("of", ["issuer", "signer"])
def test_a_list_is_signed_by_whom_the_operator_names(tmp_path: Path, of: str) -> None:
    path, vouched = a_list(tmp_path, a_signer()), tmp_path / "vouched.pem"
    stranger = tmp_path / "stranger.der"
    vouched.write_bytes(root().pem if of == "issuer" else a_signer().pem)
    stranger.write_bytes(root(name="/C=VN/CN=stranger", number=5).der)
    into = ("--into", tmp_path / "trust")
    done = tram_trust("import", path, *into, "--signed-by", stranger, "--signed-by", vouched)
    assert done.exit_code == 0
    assert "not checked" not in done.stderr
    assert len(list((tmp_path / "trust").iterdir())) == 1
    refused = tram_trust("import", path, "--into", tmp_path / "none", "--signed-by", stranger)
    assert refused.exit_code == 1
    assert "issuer_unknown" in refused.stderr
    assert not list((tmp_path / "none").iterdir())


@needs_openssl
def test_a_revocation_list_is_imported_and_listed_beside_its_issuer(tmp_path: Path) -> None:
    (tmp_path / "csca.der").write_bytes(root().der)
    (tmp_path / "x.crl").write_bytes(revocation_list(root(), 7))
    into = tmp_path / "trust"
    # Its issuer may be given after it, or be there already.
    done = tram_trust("import", tmp_path / "x.crl", tmp_path / "csca.der", "--into", into)
    assert (done.exit_code, done.stderr.count("1 imported")) == (0, 2)
    assert "not usable" not in done.stderr
    assert tram_trust("import", tmp_path / "x.crl", "--into", into).exit_code == 0
    assert sorted(path.suffix for path in into.iterdir()) == [".crl", ".der"]
    rows = json.loads(tram_trust("list", into, "--json").stdout)
    (row,) = (each for each in rows if each["kind"] == "crl")
    assert row["not_after"].endswith("Z")
    assert row == {
        "subject": "Common Name: CSCA, Organization: Test, Country: VN",
        "country": "VN", "kind": "crl", "key": "EC secp256r1",
        "not_after": row["not_after"], "usable": True, "why_not": None,
    }  # fmt: skip
    assert [each["kind"] for each in rows if each != row] == ["root"]
    assert "revocation list  Common Name: CSCA" in tram_trust("list", into).stdout


@needs_openssl
def test_a_trusted_issuers_list_that_cannot_be_used_is_not_imported(tmp_path: Path) -> None:
    into = tmp_path / "trust"
    (tmp_path / "csca.der").write_bytes(root().der)
    (tmp_path / "forged.crl").write_bytes(revocation_list(root(number=9), 7))
    done = tram_trust("import", tmp_path / "csca.der", tmp_path / "forged.crl", "--into", into)
    assert done.exit_code == 1
    assert "forged.crl: 0 imported; not imported: 1 signature invalid" in done.stderr
    assert [path.suffix for path in into.iterdir()] == [".der"]
    # What stands beside it in one file is imported.
    both = (root().der, revocation_list(root(), 7), revocation_list(root(number=9), 7))
    kinds = ("CERTIFICATE", "X509 CRL", "X509 CRL")
    (tmp_path / "all.pem").write_bytes(b"".join(map(pem.armor, kinds, both)))
    done = tram_trust("import", tmp_path / "all.pem", "--into", into)
    assert done.exit_code == 1
    assert "all.pem: 2 imported; not imported: 1 signature invalid" in done.stderr
    assert {path.read_bytes() for path in into.iterdir()} == set(both[:2])


@needs_openssl
def test_a_strangers_list_is_kept_for_the_day_its_issuer_is_imported(tmp_path: Path) -> None:
    into = tmp_path / "trust"
    (tmp_path / "x.crl").write_bytes(revocation_list(root(), 7))
    done = tram_trust("import", tmp_path / "x.crl", "--into", into)
    assert done.exit_code == 1
    assert "x.crl: 1 imported; not usable: 1 issuer unknown" in done.stderr
    (row,) = json.loads(tram_trust("list", into, "--json").stdout)
    assert (row["kind"], row["usable"], row["why_not"]) == ("crl", False, "issuer unknown")
    assert "(issuer unknown)" in tram_trust("list", into).stdout
    (tmp_path / "csca.der").write_bytes(root().der)
    assert tram_trust("import", tmp_path / "csca.der", "--into", into).exit_code == 0
    assert all(each["usable"] for each in json.loads(tram_trust("list", into, "--json").stdout))


@needs_openssl
def test_whoever_imports_the_issuer_of_a_list_that_is_forged_is_told(tmp_path: Path) -> None:
    into = tmp_path / "trust"
    (tmp_path / "x.crl").write_bytes(revocation_list(root(number=9), 7))
    assert tram_trust("import", tmp_path / "x.crl", "--into", into).exit_code == 1
    (tmp_path / "csca.der").write_bytes(root().der)
    done = tram_trust("import", tmp_path / "csca.der", "--into", into)
    assert done.exit_code == 1
    assert ".crl: stops every reader of the folder: signature invalid" in done.stderr
    (waiting,) = into.glob("*.crl")
    waiting.write_bytes(b"x")
    done = tram_trust("import", tmp_path / "csca.der", "--into", into)
    assert done.exit_code == 1
    assert ".crl: stops every reader of the folder: not a revocation list" in done.stderr


def test_a_folder_whose_files_cannot_be_read_is_said_to_fail(tmp_path: Path, pki: TestPKI) -> None:
    (tmp_path / "csca").write_bytes(pki.csca.certificate)
    (tmp_path / "trust" / "x.der").mkdir(parents=True)
    for asked in (
        ("list", tmp_path / "trust"),
        ("import", tmp_path / "csca", "--into", tmp_path / "trust"),
    ):
        done = tram_trust(*asked)
        assert done.exit_code == 3
        assert "x.der" in done.stderr


def test_a_file_that_is_too_large_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(MAX_FILE_BYTES + 1))
    done = tram_trust("import", tmp_path / "big", "--into", tmp_path / "trust")
    assert (done.exit_code, "too large" in done.stderr) == (1, True)


def test_what_is_no_revocation_list_is_listed_as_that(tmp_path: Path, pki: TestPKI) -> None:
    (tmp_path / "x.crl").write_bytes(b"x")
    (tmp_path / "x.der").write_bytes(pki.csca.certificate)
    broken, _ = json.loads(tram_trust("list", tmp_path, "--json").stdout)
    assert broken == {
        "subject": "", "country": None, "kind": "crl", "key": None, "not_after": None,
        "usable": False, "why_not": "not a revocation list",
    }  # fmt: skip


def test_what_is_no_certificate_vouches_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"bad")
    path = tmp_path / "bad"
    done = tram_trust("import", path, "--into", tmp_path / "trust", "--signed-by", path)
    assert done.exit_code == 2
    assert not (tmp_path / "trust").exists()


@pytest.mark.testdata
@pytest.mark.skipif(DATA is None, reason="TRAM_TESTDATA: data/csca/DE_ML_2026-05-28.ml")
def test_a_states_master_list_is_imported_whole(tmp_path: Path) -> None:
    listed = Path(DATA or "") / "data" / "csca" / "DE_ML_2026-05-28.ml"
    (_, authority) = master_list.parse(listed.read_bytes()).signed.certificates
    (tmp_path / "authority").write_bytes(authority.raw)
    vouched = ("--signed-by", tmp_path / "authority")
    done = tram_trust("import", listed, "--into", tmp_path, *vouched)
    assert done.exit_code == 0
    rows = json.loads(tram_trust("list", tmp_path, "--json").stdout)
    assert all(row["country"] and row["key"] and row["subject"] for row in rows)
    assert all(row["usable"] == (row["why_not"] is None) for row in rows)
    reasons = Counter(row["why_not"] for row in rows)
    assert reasons.keys() <= {None, "expired", "not yet valid", "not a certificate authority"}
    # How many are over grows with the day of the test; the seven contradict themselves.
    assert reasons.pop("not a certificate authority") == 7
    assert reasons.pop(None) + reasons.total() + 7 == 588
    assert "588 imported; not usable: " in done.stderr
    assert "7 not a certificate authority" in done.stderr
    for why, count in reasons.items():
        assert f"{count} {why}" in done.stderr
