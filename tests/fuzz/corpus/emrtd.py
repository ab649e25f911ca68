"""Seeds of the library's parsers: the files, certificates and talks of four issued cards."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from asn1crypto import algos, keys
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emrtd._groups import STANDARDISED
from emrtd.lds import sod
from emrtd.sim import CardImage, _der, personalise
from emrtd.tlv import encode, parse, parse_one
from tests.fuzz._cards import (
    HOLDER,
    JPEG,
    issued,
    issuer,
    list_of_issuers,
    list_signer,
    stream,
    talk,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from emrtd.tlv import TLV
    from tests.fuzz._cards import Talk

WSQ = bytes.fromhex("FFA0FFA4003A09070009FFA2001100FF0190012C0000000000000000000000FFA1")
ZONE_TD2 = b"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<D231458907UTO7408122F1204159<<<<<<<6"
ZONE_TD3 = (
    b"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"
)
"""Of ICAO's examples: nobody's."""


def seeds() -> dict[str, list[bytes]]:
    """Return the seeds of every target of the library, by its name."""
    cards = [each.card for each in issued()]
    everything = _with_everything()
    talks = [talk(number) for number in range(len(issued()))]
    return {
        **_files([*cards, everything]),
        **_keys([*cards, everything]),
        **_certificates(everything),
        **_talks(talks),
        **_proofs([*cards, everything]),
        **_of_the_simulator([*cards, everything], talks),
        **_inspections(talks),
    }


def _with_everything() -> CardImage:
    """Return a card with all files that a card may have."""
    return personalise(
        HOLDER, JPEG, generation="passport", pki=issuer(), randomness=stream("everything"),
        explicit_parameters=True, fingers={2: JPEG, 7: JPEG}, signature_image=JPEG,
        contacts=(("A", "1", "B"),), extended_bytes=4096, chip_auth_key_id=7,
    )  # fmt: skip


def _all(cards: list[CardImage], *names: str) -> list[bytes]:
    found = [card.files[name] for card in cards for name in names if name in card.files]
    return list(dict.fromkeys(found))


def _value(raw: bytes) -> bytes:
    return parse_one(raw).value


def _files(cards: list[CardImage]) -> dict[str, list[bytes]]:
    whole = {
        f"emrtd.lds.dg{n}": _all(cards, f"DG{n}") for n in (1, 2, 3, 7, 11, 12, 13, 14, 15, 16)
    }
    files = [raw for each in whole.values() for raw in each]
    objects = [sod.parse(raw).content for raw in _all(cards, "SOD")]
    first_version = _der.sequence(
        _der.integer(1),
        *(each.to_bytes() for each in parse(_value(objects[0]))[1:]),
        _der.sequence(_der.printable("0108"), _der.printable("040000")),
    )
    details = [
        b"".join(part.to_bytes() for part in parse(_value(raw))[1:])
        for raw in _all(cards, "DG11", "DG12")
    ]
    face = JPEG
    for tag in (0x80, 0xA0, 0xA0, 0xA1, 0x30, 0xA1, 0x65, 0xA1):
        face = encode(tag, face)
    fingers = [raw[raw.index(b"FIR\0") + 4 :] for raw in _all(cards, "DG3")]
    return whole | {
        "emrtd.tlv.parse": files,
        "emrtd.tlv.parse_one": files,
        "emrtd.lds.data_blocks": _all(cards, "DG2"),
        "emrtd.lds.details.listed": _all(cards, "DG11"),
        "emrtd.lds.details.text": [HOLDER.name.encode(), b"A\tB"],
        "emrtd.tlv.length_from_head": [raw[:8] for raw in files],
        "emrtd.mrz": [*(raw[5:] for raw in _all(cards, "DG1")), ZONE_TD2, ZONE_TD3],
        "emrtd.mrz.two_lines": [ZONE_TD2],
        "emrtd.keys.MRZKey": [*(raw[5:] for raw in _all(cards, "DG1")), ZONE_TD2, ZONE_TD3],
        "emrtd.lds.card_access": _all(cards, "CardAccess"),
        "emrtd.lds.com": _all(cards, "COM"),
        "emrtd.lds.sod": [*_all(cards, "SOD"), *cards[0].alternatives.values()],
        "emrtd.lds.sod.security_object": [*objects, first_version],
        "emrtd.lds.details": [*details, b"\x5f\x0e\x03A<B", *_people(cards)],
        "emrtd.lds.dg2.39794_5": [face, encode(0xA1, face)],
        "emrtd.lds.dg3.19794_4": fingers,
        "emrtd.lds.dg3.record": fingers,
        "emrtd.lds.image": [JPEG, WSQ, b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51"],
        "emrtd.cms": [_value(raw) for raw in _all(cards, "SOD")],
        "emrtd.read_plan.atr_info": _all(cards, "ATRInfo"),
    }


def _people(cards: list[CardImage]) -> list[bytes]:
    return [parse(_value(raw))[1].value for raw in _all(cards, "DG16")]


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _keys(cards: list[CardImage]) -> dict[str, list[bytes]]:
    infos = [_value(raw) for raw in _all(cards, "DG14")]
    small, large = ((1 << bits) + 1 for bits in (1027, 2047))
    chosen: list[PublicKeyTypes] = [
        *(ec.derive_private_key(7, curve()).public_key() for curve in (ec.SECP256R1, ec.SECP521R1)),
        *(rsa.RSAPublicNumbers(65537, modulus).public_key() for modulus in (small, large)),
    ]
    public = [*(_spki(key) for key in chosen), *(_value(raw) for raw in _all(cards, "DG15"))]
    agreed = [part.to_bytes() for raw in infos for part in _key_infos(raw)]
    explicit = [keys.PublicKeyInfo.load(raw)["algorithm"].dump() for raw in agreed]
    groups = [STANDARDISED[each] for each in sorted(STANDARDISED)]
    points = [
        bytes((number,)) + group.encode(group.generator) for number, group in enumerate(groups)
    ]
    pss = {"hash_algorithm": {"algorithm": "sha256"}, "salt_length": 32}
    schemes = [
        algos.SignedDigestAlgorithm({"algorithm": name})
        for name in ("sha256_rsa", "sha384_ecdsa", "sha1_rsa")
    ]
    schemes.append(algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": pss}))
    return {
        "emrtd.security_infos.dg14": _all(cards, "DG14"),
        "emrtd.security_infos": [*_all(cards, "CardAccess"), *infos],
        "emrtd.pace_parameters.offer": [*_all(cards, "CardAccess"), *infos],
        "emrtd.pace_parameters": explicit,
        "emrtd.groups": points,
        "emrtd.signatures.key": [*public, *agreed],
        "emrtd.signatures.scheme": [each.dump() for each in schemes],
        "emrtd.key_agreement": agreed,
        "emrtd.chip_auth.ways": _all(cards, "DG14"),
        "emrtd.terminal_auth.announced": _all(cards, "DG14"),
        "emrtd.terminal_auth.ef_cvca": _all(cards, "CVCA"),
    }


def _key_infos(infos: bytes) -> list[TLV]:
    """Return the SubjectPublicKeyInfos in a set of security infos."""
    return [
        part
        for info in parse(_value(infos))
        for part in parse(info.value)[1:2]
        if part.tag == 0x30 and part.value[:1] == b"\x30"
    ]


def _certificates(everything: CardImage) -> dict[str, list[bytes]]:
    pki = issuer()
    certificates = [
        each.certificate
        for each in (pki.csca, pki.signer, pki.expired_signer, pki.revoked_signer, pki.namesake)
    ]
    card_verifiable = [each.certificate for each in (pki.cvca, pki.verifier, pki.terminal)]
    bodies = [_value(parse(_value(raw))[0].to_bytes()) for raw in card_verifiable]
    listed = list_of_issuers(certificates)
    return {
        "emrtd.certificate": certificates,
        "emrtd.trust.anchor": certificates,
        "emrtd.trust.crl": [pki.crl],
        "emrtd.crl": [pki.crl],
        "emrtd.master_list": [listed],
        "emrtd.lds.card_security": [issued()[2].card.files["CardSecurity"]],
        "emrtd.master_list.signer": [list_signer().certificate],
        "emrtd.certificate.issuer_key_id": [_key_identifier(pki.signer.certificate)],
        "emrtd.cvc": card_verifiable,
        "emrtd.cvc.fields": bodies,
        "emrtd.cvc.key": [
            part.value for raw in bodies for part in parse(raw) if part.tag == 0x7F49
        ],
        "emrtd.cvc.reference": [b"VNTRAMTEST00001"],
        "emrtd.sim.cvc": card_verifiable,
        "tram.trust.parts_of": [*certificates[:2], pki.crl, listed],
        "tram.trust.describe": certificates[:2],
        "tram.trust.describe_lists": [pki.crl],
    }


def _key_identifier(certificate: bytes) -> bytes:
    """Return the authority key identifier of a certificate, DER."""
    extensions = x509.load_der_x509_certificate(certificate).extensions
    return extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.public_bytes()


def pieces(answers: list[bytes], size: int = 1) -> bytes:
    """Return answers one after the other, each behind its length."""
    return b"".join(
        len(each).to_bytes(size, "big") + each for each in answers if len(each) < 256**size
    )


def _talks(talks: list[Talk]) -> dict[str, list[bytes]]:
    commands = [command for each in talks for command, _ in each.said]
    answers = [answer for each in talks for answer in each.answers]
    protected = [answer for answer in answers if answer[:1] in {b"\x87", b"\x99", b"\x85"}]
    steps = [[answer[:-2] for answer in each.answers] for each in talks]
    paced = [
        bytes((way,)) + pieces([answer[4:] for answer in steps[card] if answer[:1] == b"\x7c"])
        for way in range(5)
        for card in (1, 2)
    ]
    return {
        "emrtd.apdu.Command": commands[:60],
        "emrtd.apdu.Response": answers[:60],
        "emrtd.secure_messaging": protected[:20],
        "emrtd.secure_messaging.objects": [
            head + objects
            for head in (b"\x00", b"\xff")
            for objects in (b"", b"\x87\x11\1" + bytes(16), b"\x85\x10" + bytes(16))
        ],
        "emrtd.secure_messaging.3des": [
            head + objects
            for head in (b"\x00", b"\xff")
            for objects in (b"", b"\x87\x09\1" + bytes(8), b"\x85\x08" + bytes(8))
        ],
        "emrtd.evidence": [each.evidence.to_cbor() for each in talks],
        "emrtd.pace": [*paced, *(each + b"\0" for each in paced)],
        "emrtd.general_authenticate": [
            answer[:-2] for each in talks for answer in each.answers if answer[:1] == b"\x7c"
        ],
        "emrtd.crypto.padding": [b"abc\x80\0\0\0\0", b"\x80" + bytes(7)],
        "emrtd.bac": [pieces([b"CHALLENG", bytes(40), b""])],
        "emrtd.bac.plain": [b"\xff" + bytes(32), b"\0" + bytes(32)],
        "emrtd.access": [pieces(each) for each in steps],
    }


def _proofs(cards: list[CardImage]) -> dict[str, list[bytes]]:
    point = ec.derive_private_key(7, ec.BrainpoolP256R1()).public_key()
    mapped = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    agreed = [part.to_bytes() for raw in _all(cards, "DG14") for part in _key_infos(_value(raw))]
    return {
        "emrtd.chip_auth.cam": [mapped + (7).to_bytes(32, "big") + raw for raw in agreed],
        "emrtd.active_auth.rsa": [b"\1" + bytes(128), bytes(128) + b"\2"],
        "emrtd.active_auth.ecdsa": [bytes(31) + b"\1" + bytes(31) + b"\1"],
    }


def _of_the_simulator(cards: list[CardImage], talks: list[Talk]) -> dict[str, list[bytes]]:
    short = dataclasses.replace(cards[0], alternatives={})
    return {
        "emrtd.sim.chip": [command for command, _ in talks[1].said[:12]],
        "emrtd.sim.card_image": [short.to_json().encode()],
        "emrtd.sim.pki": [issuer().to_json().encode()],
    }


def _inspections(talks: list[Talk]) -> dict[str, list[bytes]]:
    """Return scripts of `emrtd_inspect`: whole talks, and small changes of honest ones."""
    on_the_way = [
        bytes((card,)) + change
        for card in range(len(talks))
        for change in (b"", b"\x0b\x01\x69\x82", b"\x10\x04", b"\x14\x02\x02\x7c\x00", b"\x20\x06")
    ]
    edits = (
        b"", b"\x00\x03\x00\x05\x61\x03\x5f\x1f\x00", b"\x01\x03\x00\x20\x01Z", b"\x02\x00\x01\x00",
        b"\x03\x01\x00\x10\x01\x01Z", b"\x04\x02\x6a\x82", b"\x05\x00\x03\x69\x82\x00",
        b"\x06\x00\x05", b"\x06\x01\x02", b"\x00\x03\x00\x06\x61\x84\xff\xff\xff\xff",
    )  # fmt: skip
    edited = [bytes((card,)) + edit for card in range(len(talks)) for edit in edits]
    return {
        "emrtd.inspect.raw_answers": [
            bytes((card,)) + pieces(each.answers, 2) for card, each in enumerate(talks)
        ],
        "emrtd.inspect.on_the_way": on_the_way,
        "emrtd.inspect.any_files": edited,
        "emrtd.verify.any_files": edited,
    }
