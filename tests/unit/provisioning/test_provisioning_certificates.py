"""The fleet's authority as OpenSSL sees it, and as TLS peers do."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from provisioning.certificates import (
    AUTHORITY_LIFE,
    CLOCK_SKEW,
    LEAF_LIFE,
    Authority,
    BadAuthorityError,
    key_from_pem,
    new_key,
    private_pem,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("a test's authority", now=NOW)


def openssl(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["openssl", *words], input=given, capture_output=True, check=False)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def verified(folder: Path, trusted: bytes, leaf: bytes, *words: str, at: datetime = NOW) -> bool:
    """Let OpenSSL judge a leaf."""
    (folder / "ca.pem").write_bytes(trusted)
    (folder / "leaf.pem").write_bytes(leaf)
    return (
        openssl(
            *("verify", "-x509_strict", "-attime", str(int(at.timestamp())), *words),
            *("-CAfile", str(folder / "ca.pem"), str(folder / "leaf.pem")),
        ).returncode
        == 0
    )


def text(pem: bytes) -> str:
    return openssl("x509", "-noout", "-text", given=pem).stdout


def test_openssl_accepts_what_it_issued_for_its_purpose_only(
    authority: Authority, tmp_path: Path
) -> None:
    trusted = authority.certificate_pem
    server = authority.issue_server("127.0.0.1", now=NOW).certificate_pem
    client = authority.issue_client("kiosk-1", now=NOW).certificate_pem
    assert verified(tmp_path, trusted, server, "-purpose", "sslserver", "-verify_ip", "127.0.0.1")
    assert verified(tmp_path, trusted, client, "-purpose", "sslclient")
    assert not verified(tmp_path, trusted, server, "-purpose", "sslclient")
    assert not verified(tmp_path, trusted, client, "-purpose", "sslserver")
    assert not verified(tmp_path, trusted, server, "-verify_ip", "127.0.0.2")
    other = Authority.create("a test's authority", now=NOW).certificate_pem
    assert not verified(tmp_path, other, client, "-purpose", "sslclient")


def test_a_host_name_is_a_name_and_an_address_an_address(
    authority: Authority, tmp_path: Path
) -> None:
    named = authority.issue_server("broker.example", now=NOW).certificate_pem
    trusted = authority.certificate_pem
    assert verified(tmp_path, trusted, named, "-verify_hostname", "broker.example")
    assert not verified(tmp_path, trusted, named, "-verify_hostname", "other.example")
    assert "DNS:broker.example" in text(named)
    assert "IP Address:127.0.0.1" in text(
        authority.issue_server("127.0.0.1", now=NOW).certificate_pem
    )


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (-CLOCK_SKEW - timedelta(seconds=2), False),
        (-CLOCK_SKEW, True),
        (LEAF_LIFE - timedelta(seconds=2), True),
        (LEAF_LIFE + timedelta(seconds=2), False),
    ],
)
def test_a_leaf_lives_as_long_as_it_says(
    authority: Authority, tmp_path: Path, after: timedelta, expected: bool
) -> None:
    leaf = authority.issue_client("kiosk-1", now=NOW).certificate_pem
    assert verified(tmp_path, authority.certificate_pem, leaf, at=NOW + after) is expected
    assert AUTHORITY_LIFE > LEAF_LIFE


def test_openssl_reads_the_profile(authority: Authority) -> None:
    root = text(authority.certificate_pem)
    assert "CA:TRUE, pathlen:0" in root
    assert "Certificate Sign, CRL Sign" in root
    assert "Digital Signature" not in root
    leaf = text(authority.issue_client("kiosk-1", now=NOW).certificate_pem)
    assert "Subject: CN = kiosk-1" in leaf.replace("CN=", "CN = ")
    assert "CA:FALSE" in leaf
    assert "TLS Web Client Authentication" in leaf
    assert "TLS Web Server Authentication" not in leaf
    assert "ecdsa-with-SHA256" in leaf
    assert "ASN1 OID: prime256v1" in leaf


def test_a_leaf_cannot_issue(authority: Authority, tmp_path: Path) -> None:
    leaf = authority.issue_client("kiosk-1", now=NOW)
    pretender = Authority.load(leaf.certificate_pem, leaf.key_pem)
    made = pretender.issue_client("kiosk-2", now=NOW).certificate_pem
    (tmp_path / "between.pem").write_bytes(leaf.certificate_pem)
    words = ("-untrusted", str(tmp_path / "between.pem"))
    assert not verified(tmp_path, authority.certificate_pem, made, *words)


def test_serial_numbers_differ_and_keys_belong_to_their_certificates(authority: Authority) -> None:
    made = [authority.issue_client("kiosk-1", now=NOW) for _ in range(3)]
    serials = {
        openssl("x509", "-noout", "-serial", given=one.certificate_pem).stdout for one in made
    }
    assert len(serials) == 3
    for one in made:
        of_key = openssl("pkey", "-pubout", given=one.key_pem).stdout
        assert of_key == openssl("x509", "-noout", "-pubkey", given=one.certificate_pem).stdout
        assert "PRIVATE" not in repr(one)


def test_an_authority_is_taken_up_from_its_files(authority: Authority, tmp_path: Path) -> None:
    again = Authority.load(authority.identity.certificate_pem, authority.identity.key_pem)
    leaf = again.issue_client("kiosk-1", now=NOW).certificate_pem
    assert verified(tmp_path, authority.certificate_pem, leaf)


def test_files_that_do_not_belong_together_are_refused(authority: Authority) -> None:
    certificate, key = authority.certificate_pem, authority.identity.key_pem
    for wrong in (
        (certificate, private_pem(new_key())),
        (b"", key),
        (certificate, b""),
        (key, certificate),
    ):
        with pytest.raises(BadAuthorityError):
            Authority.load(*wrong)


def test_only_a_key_on_a_curve_is_a_key() -> None:
    rsa = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048").stdout
    for wrong in (rsa.encode(), b"", b"-----BEGIN PRIVATE KEY-----"):
        with pytest.raises(BadAuthorityError):
            key_from_pem(wrong)
