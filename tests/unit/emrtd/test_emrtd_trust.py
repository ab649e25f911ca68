"""Whom an operator trusts: openssl's issuers and lists, and everything that is not one of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import core, crl, x509
from master_list import certificates_of_the_list
from openssl_issuer import CA, DS, Identity, issued, needs_openssl, revocation_list, root
from reader_material import testdata

from emrtd import certificate as certificates
from emrtd.crl import parse as parse_list
from emrtd.errors import ChipLied, ChipMalformed, Fault
from emrtd.trust import MAX_CRL_BYTES, TrustPolicy, TrustStore

NOW = datetime.now(UTC) + timedelta(hours=1)
"""After everything that openssl, which knows no other time, issues in this run."""
KINDS = {"root": 375, "link": 136, "issued": 77}
"""Of Germany's list; where a state renames its signer, the link from the old name is issued."""
WITHOUT_ID = "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=none\n"

pytestmark = needs_openssl


def store(*identities: Identity, crls: tuple[bytes, ...] = (), sha1: bool = False) -> TrustStore:
    return TrustStore([each.der for each in identities], crls, allow_sha1=sha1)


def found(trust: TrustStore, signer: Identity) -> bytes | None:
    anchor = trust.issuer_of(certificates.parse(signer.der), at=NOW)
    return None if anchor is None else anchor.certificate.raw


def test_a_signer_is_issued_by_the_anchor_that_signed_it() -> None:
    one, other = root("rsa:2048", number=1), root(name="/C=VN/O=Other/CN=CSCA")
    assert found(store(one, other), issued(one)) == one.der
    assert found(store(one, other), issued(other)) == other.der
    assert found(store(other), issued(one)) is None
    assert found(store(), issued(one)) is None


def test_among_the_keys_of_one_name_the_one_that_signed_is_found_without_an_identifier() -> None:
    old, new = root("rsa:2048", number=1), root("ec:prime256v1")
    signer = issued(new, extensions=WITHOUT_ID)
    assert certificates.parse(signer.der).issuer_key_id is None
    assert found(store(old, new), signer) == new.der
    assert found(store(old), signer) is None


def test_a_signer_that_names_an_anchors_key_which_did_not_sign_it_is_a_forgery() -> None:
    honest, forger = root("ec:prime256v1"), root("ec:prime256v1", number=8)
    forged = x509.Certificate.load(issued(forger).der)
    for extension in forged["tbs_certificate"]["extensions"]:
        if extension["extn_id"].native == "authority_key_identifier":
            identifier = certificates.parse(honest.der).key_id
            extension["extn_value"] = x509.AuthorityKeyIdentifier({"key_identifier": identifier})
    signer = certificates.parse(forged.dump(force=True))
    with pytest.raises(ChipLied) as caught:
        store(honest).issuer_of(signer, at=NOW)
    assert caught.value.fault is Fault.CERTIFICATE_INVALID


def unknown_scheme(raw: bytes) -> bytes:
    """Return a certificate whose signature is by an algorithm that nobody knows."""
    return raw.replace(
        bytes.fromhex("300A06082A8648CE3D040302"), bytes.fromhex("300A06082A8648CE3D040309")
    )


def test_a_signature_that_is_not_known_here_accuses_nobody() -> None:
    issuer = root("ec:prime256v1")
    signer = certificates.parse(unknown_scheme(issued(issuer).der))
    with pytest.raises(ChipMalformed) as caught:
        store(issuer).issuer_of(signer, at=NOW)
    assert caught.value.fault is Fault.PROOF_UNSUPPORTED
    # Whose name nobody here bears is nobody's, however it is signed.
    assert store().issuer_of(signer, at=NOW) is None


def test_a_root_that_signed_itself_in_an_unknown_way_says_so() -> None:
    (entry,) = TrustStore([unknown_scheme(root("ec:prime256v1").der)]).list()
    assert (entry["usable"], entry["why_not"]) == (False, "unsupported signature algorithm")


def test_a_damaged_signer_is_a_forgery() -> None:
    issuer = root("ec:prime256v1")
    raw = bytearray(issued(issuer).der)
    raw[-1] ^= 1
    with pytest.raises(ChipLied):
        store(issuer).issuer_of(certificates.parse(bytes(raw)), at=NOW)


def test_of_two_certificates_for_one_key_the_valid_one_stands() -> None:
    valid = root("ec:prime256v1")
    whole = x509.Certificate.load(valid.der)
    past = x509.Time("utc_time", datetime(2001, 1, 1, tzinfo=UTC))
    whole["tbs_certificate"]["validity"]["not_after"] = past
    # A link certificate: it names another issuer's key, so its signature is not its own.
    for extension in whole["tbs_certificate"]["extensions"]:
        if extension["extn_id"].native == "basic_constraints":
            extension["extn_id"] = "authority_key_identifier"
            extension["critical"] = False
            extension["extn_value"] = x509.AuthorityKeyIdentifier({"key_identifier": b"before"})
    over = whole.dump(force=True)
    signer = certificates.parse(issued(valid).der)
    for anchors in ([over, valid.der], [valid.der, over]):
        trust = TrustStore(anchors)
        assert all(each["usable"] for each in trust.list())
        anchor = trust.issuer_of(signer, at=NOW)
        assert anchor is not None
        assert anchor.certificate.raw == valid.der
    assert [each["why_not"] for each in TrustStore([over]).list(at=NOW)] == ["expired"]


def test_what_cannot_be_used_is_listed_with_the_reason_and_issues_nothing() -> None:
    ds = issued(root("ec:prime256v1"))
    short = root("rsa:1024")
    self_wrong = bytearray(root("ec:prime256v1").der)
    self_wrong[-1] ^= 1
    trust = TrustStore([b"noise", ds.der, short.der, bytes(self_wrong), b"noise"])
    assert [each["why_not"] for each in trust.list()] == [
        "not a certificate", "not a certificate authority", "key too short",
        "its own signature is wrong",
    ]  # fmt: skip
    assert not any(each["usable"] for each in trust.list())
    assert found(trust, ds) is None
    assert found(trust, issued(short)) is None
    noise, signer, weak, _ = trust.list()
    assert (noise["subject"], noise["country"], noise["key"], noise["not_after"]) == (
        "", None, None, None,
    )  # fmt: skip
    assert (signer["country"], signer["key"]) == ("VN", "EC secp256r1")
    assert (weak["key"], noise["kind"]) == ("RSA 1024", None)
    for kind in ("rsa:512", "ec:prime192v1"):
        (entry,) = store(root(kind)).list()
        assert (entry["why_not"], entry["key"]) == ("unsupported key", None)


def test_a_root_a_link_and_what_somebody_else_issued_are_told_apart() -> None:
    old, new = root("rsa:2048", number=1), root("ec:prime256v1")
    link = issued(
        old, "ec:prime256v1", "/C=VN/O=Test/CN=CSCA", number=0,
        extensions=CA + "authorityKeyIdentifier=keyid",
    )  # fmt: skip
    below = issued(old, name="/C=VN/CN=sub", number=6, extensions=CA)
    bare = root(name="/C=VN/CN=bare", extensions=CA + "authorityKeyIdentifier=none")
    trust = store(old, new, link, below, bare)
    assert [each["kind"] for each in trust.list()] == ["root", "root", "link", "issued", "root"]
    assert all(each["usable"] for each in trust.list())
    # The link carries the new key under the old one's signature: it issues as the root does.
    assert found(store(old, link), issued(new)) == link.der


def test_a_certificate_that_demands_what_nobody_here_knows_is_no_anchor() -> None:
    odd = root(name="/C=VN/CN=odd", extensions=CA + "1.2.3.4=critical,DER:0500")
    assert [each["why_not"] for each in store(odd).list()] == ["unknown critical extension"]
    assert found(store(odd), issued(odd)) is None


# --- what is strong enough


@pytest.mark.parametrize(
    ("kind", "policy", "why_not"),
    [
        ("rsa:1024", TrustPolicy(min_rsa_bits=1024), None),
        ("rsa:2048", TrustPolicy(), None),
        ("rsa:2048", TrustPolicy(min_rsa_bits=2049), "key too short"),
        ("ec:secp224r1", TrustPolicy(), None),
        ("ec:secp224r1", TrustPolicy(min_ec_bits=256), "key too short"),
        ("ec:prime256v1", TrustPolicy(min_ec_bits=256, min_rsa_bits=8192), None),
        ("ec:brainpoolP384r1", TrustPolicy(min_ec_bits=385), "key too short"),
    ],
)
def test_an_operator_says_how_long_a_key_must_be(
    kind: str, policy: TrustPolicy, why_not: str | None
) -> None:
    anchor = root(kind)
    trust = TrustStore([anchor.der], policy=policy)
    assert [each["why_not"] for each in trust.list()] == [why_not]
    assert (found(trust, issued(anchor)) is None) == (why_not is not None)


def test_a_key_of_a_signer_is_measured_by_the_same_policy() -> None:
    short = certificates.parse(issued(root("ec:prime256v1"), "rsa:1024").der)
    assert TrustPolicy(min_rsa_bits=1024).key_of(short).key_size == 1024
    for policy in (TrustPolicy(), TrustPolicy(min_rsa_bits=1025)):
        with pytest.raises(ChipMalformed, match="policy"):
            policy.key_of(short)


@pytest.mark.parametrize(
    "given_",
    [{"min_rsa_bits": 1023}, {"min_rsa_bits": 8193}, {"min_ec_bits": 223}, {"min_ec_bits": 522}],
)
def test_a_policy_that_means_nothing_is_refused(given_: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        TrustPolicy(**given_)  # type: ignore[arg-type] # one number


def test_a_policy_is_named_once() -> None:
    assert TrustStore([], allow_sha1=True).policy == TrustPolicy(allow_sha1=True)
    assert TrustStore([]).policy == TrustPolicy()
    with pytest.raises(ValueError, match="allow_sha1"):
        TrustStore([], allow_sha1=True, policy=TrustPolicy())


def test_an_anchor_is_listed_as_it_is_at_an_instant() -> None:
    anchor = root("ec:prime256v1")
    (entry,) = store(anchor).list()
    assert entry["usable"]
    end = certificates.parse(anchor.der).not_after
    assert entry["not_after"] == f"{end:%Y-%m-%dT%H:%M:%SZ}"
    for at, why_not in (
        (NOW, None), (end + timedelta(seconds=1), "expired"),
        (NOW - timedelta(days=9), "not yet valid"),
    ):  # fmt: skip
        (entry,) = store(anchor).list(at=at)
        assert (entry["usable"], entry["why_not"]) == (why_not is None, why_not)


# --- revocation


def test_a_serial_on_its_issuers_list_is_revoked_and_no_other() -> None:
    issuer = root("ec:prime256v1")
    trust = store(issuer, crls=(revocation_list(issuer, 7, 0x80),))
    with pytest.raises(ChipLied) as caught:
        trust.check_not_revoked(certificates.parse(issued(issuer, serial=7).der))
    assert caught.value.fault is Fault.SIGNER_REVOKED
    trust.check_not_revoked(certificates.parse(issued(issuer, serial=8).der))
    another = root(name="/C=VN/O=Other/CN=CSCA")
    trust.check_not_revoked(certificates.parse(issued(another, serial=7).der))
    (entry,) = trust.revocation_lists()
    assert (entry["revoked"], entry["usable"], entry["why_not"]) == (2, True, None)
    assert "CSCA" in entry["issuer"]
    assert entry["next_update"]
    assert f"{NOW:%Y-%m-%d}" >= entry["this_update"][:10]


def test_a_list_that_revokes_nothing_is_usable() -> None:
    issuer = root("ec:prime256v1")
    (entry,) = store(issuer, crls=(revocation_list(issuer),)).revocation_lists()
    assert (entry["revoked"], entry["usable"]) == (0, True)


def test_a_list_may_be_signed_by_the_issuers_next_key() -> None:
    old, new = root("rsa:2048", number=1), root("ec:prime256v1")
    trust = store(old, new, crls=(revocation_list(new, 7),))
    with pytest.raises(ChipLied):
        trust.check_not_revoked(certificates.parse(issued(old, serial=7).der))


def test_a_list_that_does_not_count_is_listed_with_the_reason() -> None:
    issuer, stranger = root("ec:prime256v1"), root(name="/C=VN/O=Other/CN=CSCA", number=3)
    namesake = root("ec:prime256v1", number=4)
    silent = root(
        "ec:prime256v1", "/C=VN/CN=silent",
        extensions="keyUsage=keyCertSign\nsubjectKeyIdentifier=hash",
    )  # fmt: skip
    lists = {
        "issuer unknown": revocation_list(stranger, 7),
        "signature invalid": revocation_list(namesake, 7),
        "rests on SHA-1": revocation_list(issuer, 7, md="sha1"),
        "speaks for other issuers": revocation_list(
            issuer, 7, extensions="issuingDistributionPoint=critical,@p\n[p]\nindirectCRL=TRUE"
        ),
        "unknown critical extension": revocation_list(
            issuer, 7, extensions="1.2.3.4=critical,DER:0500"
        ),
        "its issuer may not sign lists": revocation_list(silent, 7),
    }
    trust = store(issuer, silent, crls=tuple(lists.values()))
    entries = trust.revocation_lists()
    assert [each["why_not"] for each in entries] == list(lists)
    assert not any(each["usable"] for each in entries)
    # What a stranger revokes is his own affair; all else is somebody's who issues for us.
    assert [each["issuer_trusted"] for each in entries] == [False] + [True] * (len(lists) - 1)
    assert [each["key"] for each in entries] == [None] * len(lists)
    trust.check_not_revoked(certificates.parse(issued(issuer, serial=7).der))
    allowed = store(issuer, crls=(lists["rests on SHA-1"],), sha1=True)
    with pytest.raises(ChipLied):
        allowed.check_not_revoked(certificates.parse(issued(issuer, serial=7).der))


def test_a_key_that_may_not_sign_lists_signs_none_beside_one_of_its_name_that_may() -> None:
    able = root("ec:prime256v1")
    silent = root(
        "ec:prime256v1", extensions="keyUsage=keyCertSign\nsubjectKeyIdentifier=hash", number=5
    )
    (entry,) = store(able, silent, crls=(revocation_list(silent, 7),)).revocation_lists()
    assert (entry["why_not"], entry["usable"]) == ("signature invalid", False)


POINT = "issuingDistributionPoint=critical,@p\n[p]\n"


@pytest.mark.parametrize(
    ("extension", "scope"),
    [
        ("1.2.3.4=DER:0500", "complete"),
        ("authorityKeyIdentifier=keyid", "complete"),
        ("2.5.29.20=critical,DER:020105", "complete"),
        (POINT + "fullname=URI:http://x/", "complete"),
        (POINT.replace("critical,", "") + "fullname=URI:http://x/", "complete"),
        (POINT + "relativename=q\n[q]\nCN=x", "complete"),
        (POINT + "onlyuser=TRUE", "part"),
        (POINT + "onlyCA=TRUE", "part"),
        (POINT + "onlyAA=TRUE", "part"),
        (POINT + "onlysomereasons=keyCompromise", "part"),
        (POINT.replace("critical,", "") + "onlyuser=TRUE", "part"),
        ("2.5.29.27=DER:020101", "delta"),
        ("2.5.29.27=critical,DER:020101\n" + POINT + "onlyuser=TRUE", "delta"),
    ],
)
def test_whatever_a_list_leaves_out_what_it_names_is_revoked(extension: str, scope: str) -> None:
    issuer = root("ec:prime256v1")
    trust = store(issuer, crls=(revocation_list(issuer, 7, extensions=extension),))
    (entry,) = trust.revocation_lists()
    assert (entry["usable"], entry["why_not"], entry["scope"]) == (True, None, scope)
    assert (entry["key"], entry["country"]) == ("EC secp256r1", "VN")
    with pytest.raises(ChipLied):
        trust.check_not_revoked(certificates.parse(issued(issuer, serial=7).der))
    trust.check_not_revoked(certificates.parse(issued(issuer, serial=8).der))


@pytest.mark.parametrize(("delta", "revoked"), [(True, 1), (False, 2)])
def test_only_a_delta_takes_an_entry_back(delta: bool, revoked: int) -> None:
    issuer = root("ec:prime256v1")
    base = revocation_list(issuer, 7, 8, extensions="2.5.29.27=DER:020101" if delta else "")
    whole = crl.CertificateList.load(base)
    back, held = whole["tbs_cert_list"]["revoked_certificates"]
    for entry, reason in ((back, "remove_from_crl"), (held, "certificate_hold")):
        entry["crl_entry_extensions"] = [{"extn_id": "crl_reason", "extn_value": reason}]
    found = parse_list(whole.dump(force=True))
    assert (len(found.serials), 8 in found.serials) == (revoked, True)


@pytest.mark.parametrize(
    ("extension", "critical", "why_not"),
    [
        ({"extn_id": "certificate_issuer", "extn_value": []}, False, "speaks for other issuers"),
        ({"extn_id": "crl_reason", "extn_value": "key_compromise"}, True, "signature invalid"),
        ({"extn_id": "1.2.3.4", "extn_value": core.ParsableOctetString(b"\5\0")}, True,
         "unknown critical extension"),
        ({"extn_id": "1.2.3.4", "extn_value": core.ParsableOctetString(b"\5\0")}, False,
         "signature invalid"),
    ],
)  # fmt: skip
def test_an_entry_may_speak_for_another_issuer(
    extension: dict[str, object], critical: bool, why_not: str
) -> None:
    issuer = root("ec:prime256v1")
    whole = crl.CertificateList.load(revocation_list(issuer, 7))
    (entry,) = whole["tbs_cert_list"]["revoked_certificates"]
    entry["crl_entry_extensions"] = [{**extension, "critical": critical}]
    (listed,) = store(issuer, crls=(whole.dump(force=True),)).revocation_lists()
    assert listed["why_not"] == why_not


def test_a_list_names_one_algorithm_for_its_one_signature() -> None:
    issuer = root("ec:prime256v1")
    whole = crl.CertificateList.load(revocation_list(issuer, 7))
    whole["signature_algorithm"] = {"algorithm": "sha384_ecdsa"}
    with pytest.raises(ChipMalformed):
        store(issuer, crls=(whole.dump(force=True),))


def test_a_list_that_cannot_be_read_is_not_left_out_in_silence() -> None:
    issuer = root("ec:prime256v1")
    for raw in (b"noise", revocation_list(issuer)[:-1], bytes(MAX_CRL_BYTES + 1)):
        with pytest.raises(ChipMalformed):
            store(issuer, crls=(raw,))


def test_a_list_without_a_next_update_is_read() -> None:
    issuer = root("ec:prime256v1")
    whole = crl.CertificateList.load(revocation_list(issuer, 7))
    whole["tbs_cert_list"]["next_update"] = None
    (entry,) = store(issuer, crls=(whole.dump(force=True),)).revocation_lists()
    assert (entry["next_update"], entry["why_not"]) == (None, "signature invalid")


# --- as states really issue


@pytest.mark.testdata
def test_every_issuer_of_a_public_list_is_usable_or_says_why_not() -> None:
    trust = TrustStore(certificates_of_the_list())
    entries = trust.list()
    assert len(entries) == 588
    # Seven say of themselves that they are no authority, and that their key signs certificates.
    assert Counter(each["why_not"] for each in entries) == {
        None: 581, "not a certificate authority": 7,
    }  # fmt: skip
    assert all(each["usable"] == (each["why_not"] is None) for each in entries)
    assert Counter(each["kind"] for each in entries) == KINDS
    assert sum(each["usable"] for each in trust.list(at=NOW)) == sum(
        parsed.not_before <= NOW <= parsed.not_after
        for parsed in map(certificates.parse, certificates_of_the_list())
        if parsed.may_sign_certificates
    )
    assert {each["country"] for each in entries} >= {"VN", "DE", "FR", "JP", "UN"}


@pytest.mark.testdata
def test_every_link_certificate_of_a_public_list_leads_to_a_key_of_the_list() -> None:
    trust = TrustStore(certificates_of_the_list())
    links = issued_by_list = 0
    for raw in certificates_of_the_list():
        parsed = certificates.parse(raw)
        if parsed.issuer_key_id in {None, parsed.key_id} or not parsed.self_issued:
            continue
        links += 1
        try:
            issued_by_list += trust.issuer_of(parsed, at=NOW) is not None
        except ChipLied:
            pytest.fail(f"{parsed!r} names a key that did not sign it")
    # The eleven others were signed by keys that are no longer listed.
    assert (links, issued_by_list) == (136, 125)


@pytest.mark.testdata
def test_viet_nams_passport_issuer_is_usable() -> None:
    trust = TrustStore([testdata("vectors", "VN_CSCA_6b5fa6fe.der").read_bytes()])
    (entry,) = trust.list(at=NOW)
    assert (entry["country"], entry["key"], entry["usable"]) == (
        "VN", "EC brainpoolP512r1", True,
    )  # fmt: skip


def test_a_signer_may_not_issue() -> None:
    """A document signer that an operator brings by mistake is no anchor, whatever it signed."""
    ds = issued(root("ec:prime256v1"), extensions=DS)
    below = issued(Identity(ds.key, ds.pem, ds.der), name="/C=VN/CN=below", number=5)
    assert found(store(ds), below) is None
    assert found(store(root("ec:prime256v1"), ds), below) is None
    authority = issued(root("ec:prime256v1"), name="/C=VN/CN=sub", number=6, extensions=CA)
    assert found(store(authority), issued(authority, number=7)) == authority.der
