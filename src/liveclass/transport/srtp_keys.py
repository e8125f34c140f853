"""Names and keys of SRTP protection profiles: what a DTLS handshake agrees on and an SRTP session needs.

Knows no cipher and no library; `dtls` fills it, `srtp` uses it.
"""

from dataclasses import dataclass
from typing import Literal

ProfileName = Literal["SRTP_AEAD_AES_128_GCM", "SRTP_AEAD_AES_256_GCM", "SRTP_AES128_CM_SHA1_80"]


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """A protection profile as DTLS names it (RFC 5764 section 4.1.2, RFC 7714 section 14.2); lengths in bytes."""

    name: ProfileName
    key_length: int
    salt_length: int


PROFILES: tuple[SrtpProfile, ...] = (
    SrtpProfile("SRTP_AEAD_AES_128_GCM", 16, 12),
    SrtpProfile("SRTP_AEAD_AES_256_GCM", 32, 12),
    SrtpProfile("SRTP_AES128_CM_SHA1_80", 16, 14),
)
"""In order of preference: AES-128-GCM costs the least per packet where the CPU has AES; every browser has the last."""


@dataclass(slots=True)
class SrtpKeys:
    """Master keys of one connection, each key followed by its salt (RFC 5764 section 4.2).

    Attributes:
        local: protects what we send.
        remote: protects what the peer sends.
    """

    profile: SrtpProfile
    local: bytearray
    remote: bytearray

    def __repr__(self) -> str:
        return f"SrtpKeys({self.profile.name})"

    def wipe(self) -> None:
        """Overwrite the keys; sessions made from them go on."""
        for key in (self.local, self.remote):
            key[:] = bytes(len(key))
