"""The archive file: tar in gzip, one member of JSON lines per table, then the manifest that digests them all."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple, Self

from credit_service.errors import CreditError, Reason, shown

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_LIMIT = 1024 * 1024
PIECE = 1024 * 1024
COMPRESSION = 3
FOR_THE_OWNER = 0o600


@dataclass(frozen=True, slots=True)
class Member:
    """Describes one table in the archive; a column is (name, kind)."""

    name: str
    chain: str
    table: str
    columns: tuple[tuple[str, str], ...]
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Describes an archive: what made it, where both databases stood, and every member."""

    format: int
    version: str
    made_time: str
    migrations: dict[str, str]
    epoch: str
    position: int
    chain_hash: str
    revision: int
    query_number: int
    query_chain_hash: str
    members: tuple[Member, ...]

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Reads manifest.json; refuses another format before it looks at the rest."""
        try:
            values = json.loads(content)
            found = values["format"]
            if found == FORMAT:
                given = values.pop("members")
                listed = [Member(**{**m, "columns": tuple((n, kind) for n, kind in m["columns"])}) for m in given]
                values["migrations"] = dict(values["migrations"])
                return cls(members=tuple(listed), **values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise invalid(MANIFEST, "one of another form", "the manifest of a backup") from None
        raise invalid("format", shown(found), f"{FORMAT}; a newer program reads newer formats")


class Digest(NamedTuple):
    """Counts the rows of a member and digests its bytes."""

    rows: int
    sha256: str


def invalid(name: str, got: str, want: str) -> CreditError:
    """Builds the refusal of a file."""
    return CreditError(Reason.FILE_INVALID, f"{name}: got {got}, want {want}")


@contextmanager
def whole_or_absent(file: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Yields FILE.partial; it takes its name when all of it is on the disk, and is removed on an error."""
    partial = file.with_name(file.name + ".partial")
    try:
        _require_absent(file, force=force)
        handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FOR_THE_OWNER)
        with os.fdopen(handle, "wb") as target:
            _lock(target, partial)
            try:
                os.fchmod(handle, FOR_THE_OWNER)
                target.truncate(0)
                yield target
                target.flush()
                os.fsync(handle)
                _require_absent(file, force=force)
                partial.replace(file)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        _sync_folder(file.parent)
    except OSError as fault:
        raise invalid("file", fault.strerror or str(fault), "a folder with room that may be written") from fault


def _require_absent(file: Path, *, force: bool) -> None:
    if file.exists() and not (force and file.is_file()):
        raise invalid("file", f"{file.name}, which exists", "a new name, or --force to replace a file")


def _lock(target: IO[bytes], partial: Path) -> None:
    """Refuses while another backup writes the same file; what a killed one left is free."""
    try:
        fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between opening and locking the other backup may have ended and renamed this very file.
        if os.path.samestat(os.fstat(target.fileno()), partial.stat()):
            return
    except (BlockingIOError, FileNotFoundError):
        pass
    raise invalid("file", f"{partial.name}, which another backup writes", "one backup at a time")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def packing(target: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """Yields an archive that members are added to, one after the other."""
    with (
        gzip.GzipFile("", "wb", COMPRESSION, target, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        yield archive


def add_content(archive: tarfile.TarFile, name: str, content: bytes, now: datetime) -> None:
    """Adds a small member."""
    _add(archive, name, io.BytesIO(content), now)


def add_member(
    archive: tarfile.TarFile, name: str, pieces: Iterable[tuple[int, bytes]], folder: Path, now: datetime
) -> Digest:
    """Adds a member from pieces of (rows, bytes); they wait on disk, because a header tells the size before them."""
    digest, count = hashlib.sha256(), 0
    with TemporaryFile(dir=folder) as nameless:
        for rows, piece in pieces:
            digest.update(piece)
            nameless.write(piece)
            count += rows
        _add(archive, name, nameless, now)
    return Digest(count, digest.hexdigest())


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], now: datetime) -> None:
    header = tarfile.TarInfo(name)
    header.size = content.seek(0, os.SEEK_END)
    header.mtime, header.mode = int(now.timestamp()), FOR_THE_OWNER
    content.seek(0)
    archive.addfile(header, content)


@contextmanager
def telling_damage() -> Iterator[None]:
    """Says of a file that cannot be read why, in one sentence."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as fault:
        raise invalid("file", f"a damaged archive ({shown(str(fault))})", "a whole backup") from fault
    except OSError as fault:
        raise invalid("file", fault.strerror or str(fault), "a backup that may be read") from fault


def members(file: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yields every member once, in order; each must be read before the next."""
    seen = set()
    with gzip.open(file, "rb") as packed:
        with tarfile.open(fileobj=packed, mode="r|") as archive:
            for header in archive:
                stream = archive.extractfile(header)
                if stream is None or header.name in seen:
                    raise invalid(shown(header.name), "a folder or a second one", "each member once, as a file")
                seen.add(header.name)
                yield header.name, stream
        # The checksum of the whole stands behind the last member.
        while packed.read(PIECE):
            pass


def check_archive(file: Path) -> Manifest:
    """Reads an archive to its end and compares every member with the manifest; needs no database."""
    content: bytes | None = None
    found: dict[str, Digest] = {}
    with telling_damage():
        for name, stream in members(file):
            if name == MANIFEST:
                content = stream.read(MANIFEST_LIMIT)
            else:
                found[name] = _digest(stream)
    if content is None:
        raise invalid(MANIFEST, "nothing", "the manifest of a backup")
    # Only now: the checksum of the whole file, which tells damage from another form, comes last.
    manifest = Manifest.read(content)
    for member in manifest.members:
        if member.name not in found:
            raise invalid(member.name, "nothing", f"a member of {member.rows} rows")
        if found.pop(member.name) != (member.rows, member.sha256):
            raise invalid(member.name, "other content", f"{member.rows} rows of SHA-256 {member.sha256}")
    if found:
        raise invalid(shown(min(found)), "a member that the manifest does not name", "none")
    return manifest


def _digest(stream: IO[bytes]) -> Digest:
    digest, rows = hashlib.sha256(), 0
    while piece := stream.read(PIECE):
        digest.update(piece)
        rows += piece.count(b"\n")
    return Digest(rows, digest.hexdigest())
