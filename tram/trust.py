"""`tram trust`: which issuers a reader trusts, until when.

Knows files: certificates and revocation lists (DER or PEM) and ICAO master lists go into a folder
that serves as `--trust`. Whoever imports a file vouches for it: a certificate authority's
certificate is trusted because an operator says so. A master list must be as its signer signed it;
who that is, is checked against `--signed-by`, and said aloud where nobody is named. What a
certificate is worth and whether a card's chain holds is `emrtd.trust`'s.

Exit codes: 0 done; 1 something given was not imported; 2 usage; 3 a file failed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from asn1crypto import pem

from emrtd import certificate as certificates
from emrtd import crl, master_list
from emrtd.errors import ChipMalformed, EMRTDError
from emrtd.trust import TrustStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAILED = 3
MAX_FILE_BYTES = 16 * 1024 * 1024

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
@click.option(
    "--signed-by",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A certificate that a master list must be signed by: its signer's, or its issuer's.",
)
def import_command(files: tuple[Path, ...], into: Path, signed_by: tuple[Path, ...]) -> None:
    """Copy issuers' certificates and revocation lists into a folder.

    Example: tram trust import csca.der csca.crl list.ml --into trust --signed-by csca.der
    """
    try:
        vouched = [part.der for path in signed_by for part in parts_of(_read(path))]
    except ValueError as error:
        raise click.UsageError(f"--signed-by: {error}") from error
    refused = 0
    into.mkdir(parents=True, exist_ok=True)
    for path in files:
        try:
            parts = list(parts_of(_read(path), lists=_reading_lists(path, vouched)))
        except ValueError as error:
            click.echo(f"{path}: {error}", err=True)
            refused += 1
        else:
            _write(parts, into)
            click.echo(f"{path}: {len(parts)} imported{_not_usable(parts)}", err=True)
    raise SystemExit(1 if refused else 0)


def _reading_lists(path: Path, vouched: list[bytes]) -> Callable[[bytes], tuple[bytes, ...]]:
    """Return what reads a master list and tells the operator whose it is."""

    def read(der: bytes) -> tuple[bytes, ...]:
        if vouched:
            return signed_list(der, by=vouched, at=datetime.now(UTC))
        found = intact_list(der)
        click.echo(f"{path}: whose list it is was not checked: --signed-by checks it", err=True)
        return found

    return read


def _write(parts: list[Part], into: Path) -> None:
    """Write each part under its own hash, so that what is imported twice is there once."""
    for part in parts:
        digest = hashlib.sha256(part.der).hexdigest()[:32]
        (into / f"{digest}{part.ending}").write_bytes(part.der)


def _not_usable(parts: list[Part]) -> str:
    """Return how many of what was imported will not be believed, and why; "" if all will."""
    issuers = TrustStore([part.der for part in parts if part.ending == ".der"])
    entries = issuers.list(at=datetime.now(UTC))
    reasons = Counter(each["why_not"] for each in entries if each["why_not"] is not None)
    if not reasons:
        return ""
    told = ", ".join(f"{count} {why}" for why, count in reasons.most_common())
    return f"; not usable: {told}"


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError("too large")
    return raw


def intact_list(der: bytes) -> tuple[bytes, ...]:
    """Return the certificates of a master list that is as its signer signed it, whoever that is.

    Raises:
        ValueError: it is none, or it was changed.
    """
    try:
        listed = master_list.parse(der)
    except ChipMalformed as error:
        raise ValueError("no certificate, revocation list or master list") from error
    try:
        master_list.check_intact(listed)
    except EMRTDError as error:
        raise ValueError(f"a master list whose signature does not hold: {error}") from error
    return listed.certificates


def signed_list(der: bytes, *, by: list[bytes], at: datetime) -> tuple[bytes, ...]:
    """Return the certificates of a master list that one of these signed, or one that they issued.

    Args:
        der: the list.
        by: certificates, DER, of signers or of their issuers.
        at: the instant that certificates are judged at, aware.

    Raises:
        ValueError: it is none, or none of them stands behind it.
    """
    intact_list(der)
    listed = master_list.parse(der)
    try:
        return master_list.verify(listed, TrustStore(by), at=at).certificates
    except EMRTDError as error:
        why = error
    for signer in by:
        try:
            return master_list.verify_by(listed, signer, at=at).certificates
        except EMRTDError:
            continue
    raise ValueError(f"a master list that nobody named stands behind: {why}") from why


def parts_of(
    raw: bytes, *, lists: Callable[[bytes], tuple[bytes, ...]] = intact_list
) -> Iterator[Part]:
    """Yield the certificates and revocation lists in a file's bytes, each as it stands there.

    Args:
        raw: DER or PEM.
        lists: reads a master list; ValueError if it is none, or not to be imported.

    Raises:
        ValueError: it is no certificate, revocation list or master list.
    """
    blocks = [der for _, _, der in pem.unarmor(raw, multiple=True)] if pem.detect(raw) else [raw]
    for der in blocks:
        if _is(certificates.parse, der):
            yield Part(".der", der)
        elif _is(crl.parse, der):
            yield Part(".crl", der)
        else:
            yield from (Part(".der", each) for each in lists(der))


def _is(parse: Callable[[bytes], object], der: bytes) -> bool:
    try:
        parse(der)
    except ChipMalformed:
        return False
    return True


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
    return dict(TrustStore([der]).list(at=at)[0])
