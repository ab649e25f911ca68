"""`tram trust`: which issuers a reader trusts, until when.

Knows files: certificates and revocation lists (DER or PEM) and ICAO master lists go into a folder
that serves as `--trust`. Whoever imports a file vouches for it: a certificate authority's
certificate is trusted because an operator says so, and a master list's own signature is not checked
here. Whether a card's chain holds is `emrtd.trust`'s.

Exit codes: 0 done; 1 something given was not imported; 2 usage; 3 a file failed.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from asn1crypto import cms, core, crl, pem, x509

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED = 3
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_CERTIFICATE_BYTES = 65_536
MASTER_LIST = "2.23.136.1.1.2"
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)
"""What asn1crypto raises, at once or when a field is first looked at, on what is not its DER."""

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class Part(NamedTuple):
    """One thing to trust: its file ending and its DER."""

    ending: str
    der: bytes


@click.group()
def trust() -> None:
    """Import trusted issuers and list them.

    Example: tram trust list trust --json
    """


@trust.command("import")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--into", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder."
)
def import_command(files: tuple[Path, ...], into: Path) -> None:
    """Copy issuers' certificates and revocation lists into a folder.

    Example: tram trust import csca.der csca.crl list.ml --into trust
    """
    refused = 0
    into.mkdir(parents=True, exist_ok=True)
    for path in files:
        try:
            parts = list(parts_of(_read(path)))
        except ValueError as error:
            click.echo(f"{path}: {error}", err=True)
            refused += 1
        else:
            _write(parts, into)
            click.echo(f"{path}: {len(parts)} imported", err=True)
    raise SystemExit(1 if refused else 0)


def _write(parts: list[Part], into: Path) -> None:
    """Write each part under its own hash, so that what is imported twice is there once."""
    for part in parts:
        digest = hashlib.sha256(part.der).hexdigest()[:32]
        (into / f"{digest}{part.ending}").write_bytes(part.der)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError("too large")
    return raw


def parts_of(raw: bytes) -> Iterator[Part]:
    """Yield the certificates and revocation lists in a file's bytes, each as it stands there.

    Raises:
        ValueError: it is no certificate, revocation list or master list.
    """
    blocks = [der for _, _, der in pem.unarmor(raw, multiple=True)] if pem.detect(raw) else [raw]
    for der in blocks:
        if _is(x509.Certificate, der):
            yield Part(".der", der)
        elif _is(crl.CertificateList, der):
            yield Part(".crl", der)
        else:
            yield from (Part(".der", each) for each in master_list(der))


def master_list(der: bytes) -> list[bytes]:
    """Return the certificates of an ICAO master list, DER each as it stands there.

    Raises:
        ValueError: it is none.
    """
    try:
        content = cms.ContentInfo.load(der, strict=True)["content"]["encap_content_info"]
        kind = content["content_type"].dotted
        listed = core.Sequence.load(bytes(content["content"]), strict=True)[1]
        certificates = [each.dump() for each in core.SetOf.load(listed.dump(), spec=core.Any)]
    except _UNREADABLE as error:
        raise ValueError("no certificate, revocation list or master list") from error
    if kind != MASTER_LIST:
        raise ValueError("signed data, but no master list")
    return [each for each in certificates if len(each) <= MAX_CERTIFICATE_BYTES]


def _is(kind: type[Any], der: bytes) -> bool:
    """Return whether every field of that type can be read."""
    try:
        return kind.load(der, strict=True).native is not None
    except _UNREADABLE:
        return False


@trust.command("list")
@click.argument("directory", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One object an issuer.")
def list_command(directory: Path, as_json: bool) -> None:
    """List the issuers that a folder trusts, the first to expire first.

    Example: tram trust list pki/trust --json
    """
    now = datetime.now(UTC)
    try:
        rows = [describe(path.read_bytes(), at=now) for path in sorted(directory.glob("*.der"))]
    except OSError as error:
        click.echo(f"tram trust: {error}", err=True)
        raise SystemExit(FAILED) from error
    rows.sort(key=lambda row: (row["not_after"] or "", row["subject"]))
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for row in rows:
        click.echo(
            f"{row['not_after']}  {row['country'] or '--'}  {row['key']}  {row['subject']}"
            + (f"  ({row['why_not']})" if row["why_not"] else "")
        )


def describe(der: bytes, *, at: datetime) -> dict[str, Any]:
    """Return one row of `tram trust list`.

    Args:
        der: a certificate.
        at: aware; an issuer past its time is not usable for what it signs then.
    """
    try:
        certificate = x509.Certificate.load(der, strict=True)
        validity = certificate["tbs_certificate"]["validity"]
        not_before, not_after = (validity[each].native for each in ("not_before", "not_after"))
        row = {
            "subject": certificate.subject.human_friendly,
            "country": certificate.subject.native.get("country_name"),
            "key": _key(certificate.public_key),
            "not_after": f"{not_after:%Y-%m-%dT%H:%M:%SZ}",
        }
        why_not = None
        if at < not_before:
            why_not = "not yet valid"
        elif at > not_after:
            why_not = "expired"
        elif not certificate.ca:
            why_not = "not a certificate authority"
    except _UNREADABLE:
        row = dict.fromkeys(("subject", "country", "key", "not_after"))
        row["subject"], why_not = "", "no certificate"
    return row | {"usable": why_not is None, "why_not": why_not}


def _key(public_key: Any) -> str:
    """Return kind and size of a key, e.g. "ec 384" or "rsa 4096"."""
    return f"{public_key.algorithm} {public_key.bit_size}"
