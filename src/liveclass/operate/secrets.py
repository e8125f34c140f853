"""The server's own secrets: its signing key, and who may use the admin API.

Kept in `data_dir/secrets`, readable by the owner alone. The admin token is known in full once, when it is made; after
that only its SHA-256 is here. A program that can read the signing key (the command line on the server itself) needs no
admin token: it signs itself a pass that holds for a minute. This module knows no HTTP.
"""

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from liveclass.errors import UsageError

KEY_BYTES = 32  # the block that HMAC-SHA256 can make full use of
ADMIN_TOKEN_BYTES = 24
PASS_LIFE_S = 60
PASS_PREFIX = "local."  # noqa: S105
_PASS_CONTEXT = b"liveclass local admin pass\n"  # so that no other signature of the key can serve as a pass


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What the server knows and nobody else.

    Attributes:
        signing_key: for media tokens and signed URLs; other keys are to be derived with `derive`.
        new_admin_token: the admin token when it was made just now, to be shown once; else None.
        admin_token_sha256: digest of the admin token; empty where only the key was read.
    """

    signing_key: bytes
    new_admin_token: str | None
    admin_token_sha256: bytes = b""

    @classmethod
    def open(cls, data_dir: Path, admin_token: str = "") -> "Secrets":
        """Read the secrets, and make those that are missing.

        Args:
            data_dir: the data folder; made when missing.
            admin_token: the setting; when empty, one is made at the first start.

        Raises:
            UsageError: the folder cannot be read or written.
        """
        folder = data_dir / "secrets"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = _kept(folder / "signing.key", secrets.token_bytes(KEY_BYTES))
            made: str | None = None
            if admin_token:
                admin_hash = _digest(admin_token)
            else:
                fresh = secrets.token_urlsafe(ADMIN_TOKEN_BYTES)
                admin_hash = bytes.fromhex(_kept(folder / "admin-token.sha256", _hex_digest(fresh)).decode())
                made = fresh if hmac.compare_digest(admin_hash, _digest(fresh)) else None
        except OSError as failure:
            raise UsageError(f"{failure.filename}: cannot be read or written: {failure.strerror}") from failure
        except ValueError as failure:
            raise UsageError(
                f"{folder / 'admin-token.sha256'}: damaged; remove it to have a new token made"
            ) from failure
        if len(key) != KEY_BYTES:
            raise UsageError(f"{folder / 'signing.key'}: damaged; remove it to have a new one made (pages will reload)")
        return cls(key, made, admin_hash)

    @classmethod
    def read_key(cls, data_dir: Path) -> "Secrets | None":
        """The secrets of a server on this machine, changing nothing; None when they are not there or not ours."""
        try:
            key = (data_dir / "secrets" / "signing.key").read_bytes()
        except OSError:
            return None
        return cls(key, None) if len(key) == KEY_BYTES else None

    def is_admin(self, token: str, now: float) -> bool:
        """Whether the bearer of `token` may use the admin API; compared in constant time.

        Args:
            token: what followed `Bearer `.
            now: seconds since 1970.
        """
        if hmac.compare_digest(self.admin_token_sha256, _digest(token)):
            return True
        expiry, _, signature = token.removeprefix(PASS_PREFIX).partition(".")
        if not token.startswith(PASS_PREFIX) or not (expiry.isascii() and expiry.isdigit() and len(expiry) <= 12):
            return False
        genuine = hmac.compare_digest(self._pass_signature(int(expiry)), signature.encode("utf-8", "replace"))
        return genuine and now < int(expiry) <= now + 2 * PASS_LIFE_S

    def local_pass(self, now: float) -> str:
        """A bearer token that `is_admin` accepts for a minute.

        Args:
            now: seconds since 1970.
        """
        expiry = int(now) + PASS_LIFE_S
        return f"{PASS_PREFIX}{expiry}.{self._pass_signature(expiry).decode()}"

    def derive(self, purpose: str) -> bytes:
        """A key of its own for each purpose (HKDF-Expand with one block, RFC 5869 section 2.3)."""
        return hmac.digest(self.signing_key, purpose.encode() + b"\x01", "sha256")

    def _pass_signature(self, expiry: int) -> bytes:
        mac = hmac.digest(self.signing_key, _PASS_CONTEXT + str(expiry).encode(), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=")


def admin_token_notice(token: str) -> str:
    """What to show a person when a token was made: it will not be shown again."""
    return (
        f"\n  Admin token (shown this once, keep it safe):\n\n      {token}\n\n"
        "  It creates and deletes lessons. `liveclass lesson` on this machine works without it.\n"
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _hex_digest(token: str) -> bytes:
    return _digest(token).hex().encode()


def _kept(path: Path, fresh: bytes) -> bytes:
    """The file's content; `fresh` when it was missing. Whole or not there at all, also when two start at once."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(fresh)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails where a rename would overwrite what another process has just made
        except FileExistsError:
            return path.read_bytes()
    finally:
        draft.unlink(missing_ok=True)
    return fresh
