"""The library's inner parsers, which others reach through a file's outer ones."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from emrtd import _cms, _general_authenticate, certificate, cvc, master_list, security_infos, tlv
from emrtd._asn1 import reading
from emrtd._crypto import Cipher
from emrtd.errors import ChipLied, ChipMalformed
from emrtd.lds import _cbeff, _details, _images
from emrtd.lds.sod import LDS_SECURITY_OBJECT
from tests.fuzz._cards import issuer, list_of_issuers

_AT = datetime(2026, 6, 1, tzinfo=UTC)


def _signed(raw: bytes) -> object:
    signed = _cms.parse(raw, content_type=LDS_SECURITY_OBJECT, what="EF.SOD")
    return signed.signers()


def _step(raw: bytes) -> object:
    """Read what a chip answers in a step of PACE, and one object of it."""
    values = _general_authenticate.values(raw, 0x82)
    return values, _general_authenticate.one(raw, 0x80, doing="map the nonce")


def _image(raw: bytes) -> object:
    return _images.image_format(raw), _images.coded_format(raw), _images.CodedImage.of(raw)


def _key_id(raw: bytes) -> object:
    with reading("AuthorityKeyIdentifier"):
        return certificate.issuer_key_id(raw)


def _padded(raw: bytes) -> object:
    return Cipher.AES.unpad(raw), Cipher.TRIPLE_DES.unpad(raw)


@cache
def _listed() -> master_list.MasterList:
    return master_list.parse(list_of_issuers([issuer().csca.certificate]))


_MALFORMED = (ChipMalformed,)

TARGETS = {
    "emrtd.cms": (_signed, _MALFORMED),
    "emrtd.general_authenticate": (_step, _MALFORMED),
    "emrtd.tlv.parse_one": (tlv.parse_one, _MALFORMED),
    "emrtd.security_infos.dg14": (security_infos.parse_dg14, _MALFORMED),
    "emrtd.lds.image": (_image, ()),
    "emrtd.lds.details.text": (lambda raw: _details.text(raw, "DG11"), _MALFORMED),
    "emrtd.lds.details.listed": (
        lambda raw: _details.Fields.listed(raw, 0x6B, what="DG11").unknown,
        _MALFORMED,
    ),
    "emrtd.lds.data_blocks": (
        lambda raw: _cbeff.data_blocks(raw, 0x75, what="DG2", least=1),
        _MALFORMED,
    ),
    "emrtd.cvc.reference": (cvc.reference, _MALFORMED),
    "emrtd.certificate.issuer_key_id": (_key_id, _MALFORMED),
    "emrtd.crypto.padding": (_padded, (ValueError,)),
    "emrtd.master_list.signer": (
        lambda raw: master_list.verify_by(_listed(), raw, at=_AT),
        (ChipMalformed, ChipLied),
    ),
}
