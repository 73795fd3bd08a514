"""Personal data: keyed hashes of ID numbers, and values encrypted under one data key per subject.

The ledger's chain holds salted commitments only. Erasing a subject's data key destroys its values, and
rotating the master key re-wraps data keys; neither touches the chain.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import BigInteger, LargeBinary, delete, select
from sqlmodel import Field, Session, SQLModel, col

from credit_service.errors import CreditError, Reason

NONCE_BYTES = 12
SALT_BYTES = 16


class SubjectKey(SQLModel, table=True):
    """Keeps a subject's data key, wrapped by the master key."""

    __tablename__ = "subject_key"
    subject_id: str = Field(primary_key=True)
    wrapped: bytes = Field(sa_type=LargeBinary)


class PersonalValue(SQLModel, table=True):
    """Keeps one encrypted personal value of one event."""

    __tablename__ = "personal_value"
    subject_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    salt: bytes = Field(sa_type=LargeBinary)
    sealed: bytes = Field(sa_type=LargeBinary)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Holds a sealed value: salt, commitment for the chain, ciphertext for the table."""

    salt: bytes
    commitment: bytes
    ciphertext: bytes


class Vault:
    """Hashes and seals personal data under a master key of 32 bytes."""

    def __init__(self, master_key: bytes, random: Callable[[int], bytes]) -> None:
        """Derives the working keys; `random` yields fresh bytes."""
        if len(master_key) != 32:
            raise CreditError(Reason.SETTING_INVALID, "person_key_file: want 32 bytes in hexadecimal")
        # The keyed hash that stands for an ID number; a value, so that another process can take it along.
        self.person_code = partial(person_code, hmac.digest(master_key, b"person-code", "sha256"))
        self._wrapper = AESGCM(hmac.digest(master_key, b"wrap", "sha256"))
        self._random = random

    def seal(self, session: Session, subject_id: str, value: str) -> Sealed:
        """Encrypts a value under the subject's data key, made at first use."""
        row = session.get(SubjectKey, subject_id)
        if row is None:
            key = self._random(32)
            nonce = self._random(NONCE_BYTES)
            wrapped = nonce + self._wrapper.encrypt(nonce, key, subject_id.encode())
            session.add(SubjectKey(subject_id=subject_id, wrapped=wrapped))
            session.flush()
        else:
            key = self._unwrap(subject_id, row.wrapped)
        salt, nonce = self._random(SALT_BYTES), self._random(NONCE_BYTES)
        ciphertext = nonce + AESGCM(key).encrypt(nonce, value.encode(), salt)
        return Sealed(salt, commitment(salt, value), ciphertext)

    def open(self, session: Session, subject_id: str, position: int) -> str | None:
        """Decrypts a value; None when it or the subject's key was erased."""
        value = session.get(PersonalValue, (subject_id, position))
        key = session.get(SubjectKey, subject_id)
        if value is None or key is None:
            return None
        cipher = AESGCM(self._unwrap(subject_id, key.wrapped))
        return cipher.decrypt(value.sealed[:NONCE_BYTES], value.sealed[NONCE_BYTES:], value.salt).decode()

    def check(self, session: Session) -> None:
        """Fails when the ledger holds personal data that was sealed under another master key.

        Without it a lost key would be noticed only when persons of old are no longer found.
        """
        row = session.execute(select(SubjectKey).limit(1)).scalar_one_or_none()
        if row is not None:
            self._unwrap(row.subject_id, row.wrapped)

    def _unwrap(self, subject_id: str, wrapped: bytes) -> bytes:
        try:
            return self._wrapper.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], subject_id.encode())
        except InvalidTag:
            raise CreditError(
                Reason.SETTING_INVALID,
                "person_key_file: got another key, want the one that sealed this ledger's persons",
            ) from None


def read_master_key(path: str) -> bytes:
    """Reads the master key of a file; fails with SETTING_INVALID when it is none."""
    try:
        return bytes.fromhex(Path(path).read_text("ascii").strip())
    except (OSError, ValueError) as fault:
        want = "a file with 64 hexadecimal characters"
        raise CreditError(Reason.SETTING_INVALID, f"person_key_file: got {path or 'nothing'}, want {want}") from fault


def person_code(key: bytes, id_number: str) -> str:
    """Returns the keyed hash that stands for an ID number."""
    return hmac.new(key, id_number.upper().encode(), hashlib.sha256).hexdigest()


def commitment(salt: bytes, value: str) -> bytes:
    """Returns the digest that stands for a value in the chain."""
    return hashlib.sha256(salt + value.encode()).digest()


def erase(session: Session, subject_id: str) -> None:
    """Destroys a subject's data key, so that its personal values can never be read again."""
    session.execute(delete(SubjectKey).where(col(SubjectKey.subject_id) == subject_id))
