"""`tram trust`: which issuers a reader trusts, until when.

Knows files: certificates and revocation lists (DER or PEM) and ICAO master lists go into a folder
that serves as `--trust`. Whoever imports a file vouches for it: a certificate authority's
certificate is trusted because an operator says so. A master list must be as its signer signed it;
who that is, is checked against `--signed-by`, and said aloud where nobody is named. A revocation
list counts if an issuer of the folder signed it: one that claims to be such an issuer's and cannot
be used is not imported, for it would stop every reader of the folder; one of an issuer that is not
there yet is imported, and waits for it. What a certificate is worth and whether a card's chain
holds is `emrtd.trust`'s.

Exit codes: 0 done; 1 something given was not imported, or is a revocation list that cannot be used;
2 usage; 3 a file failed.
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
from tram.parts.chip_report import trusts_nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from emrtd.trust import RevocationEntry

FAILED = 3
CRL = "crl"
"""The kind of a row that is no certificate's."""
NO_LIST = "not a revocation list"
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
    given: dict[Path, list[Part]] = {}
    for path in files:
        try:
            given[path] = list(parts_of(_read(path), lists=_reading_lists(path, vouched)))
        except ValueError as error:
            click.echo(f"{path}: {error}", err=True)
            refused += 1
    # A list may be given before the certificate of its issuer.
    _write((part for parts in given.values() for part in parts if part.ending == ".der"), into)
    issuers = list(_files(into, ".der").values())
    judged = _judged(_ders((part for parts in given.values() for part in parts), ".crl"), issuers)
    for path, parts in given.items():
        told = _import(parts, judged, into)
        click.echo(f"{path}: {told}", err=True)
    refused += sum(not each["usable"] for each in judged.values())
    raise SystemExit(1 if _stopping(into, issuers) or refused else 0)


def _files(directory: Path, ending: str) -> dict[Path, bytes]:
    """Return the files of a folder; where one cannot be read, it is said and all ends."""
    try:
        return {path: path.read_bytes() for path in sorted(directory.glob(f"*{ending}"))}
    except OSError as error:
        click.echo(f"tram trust: {error}", err=True)
        raise SystemExit(FAILED) from error


def _judged(lists: Iterable[bytes], issuers: list[bytes]) -> dict[bytes, RevocationEntry]:
    """Return each of the revocation lists and what it is worth by these issuers."""
    known = [der for der in dict.fromkeys(lists) if _is(crl.parse, der)]
    entries = TrustStore(issuers, known).revocation_lists() if known else ()
    return dict(zip(known, entries, strict=True))


def _stopping(directory: Path, issuers: list[bytes]) -> bool:
    """Return whether a list that lay in a folder stops its readers now, and say which."""
    lists = _files(directory, ".crl")
    judged = _judged(lists.values(), issuers)
    found = False
    for path, der in lists.items():
        entry = judged.get(der)
        if entry is None or (entry["issuer_trusted"] and not entry["usable"]):
            why = entry["why_not"] if entry else NO_LIST
            click.echo(f"{path}: stops every reader of the folder: {why}", err=True)
            found = True
    return found


def _import(parts: list[Part], judged: dict[bytes, RevocationEntry], into: Path) -> str:
    """Write what one file held but for the lists that would stop a reader; return what to say."""
    lists = [judged[der] for der in _ders(parts, ".crl")]
    stopping = [each for each in lists if each["issuer_trusted"] and not each["usable"]]
    kept = [part for part in parts if part.der not in judged or judged[part.der] not in stopping]
    _write(kept, into)
    refused = _counted(each["why_not"] for each in stopping)
    waiting = (each for each in lists if each not in stopping)
    return (
        f"{len(kept)} imported"
        + (f"; not imported: {refused}" if refused else "")
        + _not_usable(kept, waiting)
    )


def _reading_lists(path: Path, vouched: list[bytes]) -> Callable[[bytes], tuple[bytes, ...]]:
    """Return what reads a master list and tells the operator whose it is."""

    def read(der: bytes) -> tuple[bytes, ...]:
        if vouched:
            return signed_list(der, by=vouched, at=datetime.now(UTC))
        found = intact_list(der)
        click.echo(f"{path}: whose list it is was not checked: --signed-by checks it", err=True)
        return found

    return read


def _ders(parts: Iterable[Part], ending: str) -> list[bytes]:
    return [part.der for part in parts if part.ending == ending]


def _write(parts: Iterable[Part], into: Path) -> None:
    """Write each part under its own hash, so that what is imported twice is there once."""
    for part in parts:
        digest = hashlib.sha256(part.der).hexdigest()[:32]
        (into / f"{digest}{part.ending}").write_bytes(part.der)


def _not_usable(parts: list[Part], lists: Iterable[RevocationEntry]) -> str:
    """Return how many of what was imported will not be believed, and why; "" if all will."""
    issuers = TrustStore(_ders(parts, ".der")).list(at=datetime.now(UTC))
    told = _counted(each["why_not"] for each in (*issuers, *lists))
    return f"; not usable: {told}" if told else ""


def _counted(reasons: Iterable[str | None]) -> str:
    counts = Counter(why for why in reasons if why is not None)
    return ", ".join(f"{count} {why}" for why, count in counts.most_common())


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
@click.option("--json", "as_json", is_flag=True, help="One object an issuer or revocation list.")
def list_command(directory: Path, as_json: bool) -> None:
    """List the issuers that a folder trusts and what revokes, the first to expire first.

    Example: tram trust list pki/trust --json
    """
    now = datetime.now(UTC)
    issuers, lists = (list(_files(directory, ending).values()) for ending in (".der", ".crl"))
    rows = [describe(der, at=now) for der in issuers]
    rows += describe_lists(lists, issuers=issuers)
    rows.sort(key=lambda row: (row["not_after"] or "", row["subject"]))
    if told := trusts_nobody(directory):
        click.echo(f"tram trust: {told}", err=True)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for row in rows:
        what = "revocation list" if row["kind"] == CRL else row["key"]
        click.echo(
            f"{row['not_after']}  {row['country'] or '--'}  {what}  {row['subject']}"
            + (f"  ({row['why_not']})" if row["why_not"] else "")
        )


def describe(der: bytes, *, at: datetime) -> dict[str, Any]:
    """Return one row of `tram trust list`.

    Args:
        der: a certificate.
        at: aware; an issuer past its time is not usable for what it signs then.
    """
    return dict(TrustStore([der]).list(at=at)[0])


def describe_lists(lists: list[bytes], *, issuers: list[bytes]) -> list[dict[str, Any]]:
    """Return the rows of revocation lists: the issuer, and when the next list was promised.

    Args:
        lists: revocation lists, or bytes that are none.
        issuers: the certificates of the folder, DER.
    """
    judged = _judged(lists, issuers)
    return [_row(judged.get(der)) for der in lists]


def _row(entry: RevocationEntry | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "subject": "", "country": None, "kind": CRL, "key": None, "not_after": None,
        "usable": False, "why_not": NO_LIST,
    }  # fmt: skip
    if entry is not None:
        row |= {"subject": entry["issuer"], "not_after": entry["next_update"]}
        row |= {"country": entry["country"], "key": entry["key"]}
        row |= {"usable": entry["usable"], "why_not": entry["why_not"]}
    return row
