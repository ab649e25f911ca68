"""A public master list, taken apart by asn1crypto alone."""

from __future__ import annotations

from functools import cache

from asn1crypto import cms, core, x509
from reader_material import testdata


class _Certificates(core.SetOf):
    _child_spec = x509.Certificate


class _MasterList(core.Sequence):
    _fields = [("version", core.Integer), ("certificates", _Certificates)]  # noqa: RUF012 - asn1crypto's way


@cache
def certificates_of_the_list() -> tuple[bytes, ...]:
    """Return the 588 country signers of Germany's list; skipped without it."""
    raw = testdata("data", "csca", "DE_ML_2026-05-28.ml").read_bytes()
    content = bytes(cms.ContentInfo.load(raw)["content"]["encap_content_info"]["content"])
    return tuple(each.dump() for each in _MasterList.load(content)["certificates"])
