"""Who we are in DTLS, and who a peer must be: certificates, their fingerprints, and the TLS context all sessions share.

Knows no handshake and no session.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from liveclass.transport.srtp_keys import PROFILES

CERTIFICATE_LIFE: Final = timedelta(days=3650)
"""Browsers trust the fingerprint, not the dates; a server that runs for years must not stop for a date."""

DIGEST_LENGTHS: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
"""Bytes of each fingerprint algorithm that is accepted (RFC 8122 section 5); SHA-1 and MD5 are not."""

_CIPHERS: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
"""The first is what every WebRTC peer must have (RFC 8827 section 6.5); RSA matters where such a peer is the server.
No other family, because `dtls_alerts` reads this one."""

_DTLS1_2_VERSION: Final = 0xFEFD


class Identity:
    """Our certificate and private key, with the TLS context that all sessions share.

    Attributes:
        fingerprint: as it stands in an SDP `a=fingerprint` line: ``sha-256 AB:CD:...``.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.fingerprint = f"sha-256 {fingerprint(certificate.public_bytes(Encoding.DER), 'sha-256')}"
        self.context = _context(key, certificate)

    @classmethod
    def generate(cls, now: float) -> "Identity":
        """A new ECDSA P-256 key with a self-signed certificate (RFC 8827 section 6.5).

        Args:
            now: seconds since 1970; the certificate is valid from a day before.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, token_hex(16))])
        start = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(start + CERTIFICATE_LIFE)
        return cls(key, builder.sign(key, hashes.SHA256()))


def fingerprint(certificate: bytes, algorithm: str) -> str:
    """The digest of a DER certificate as upper-case hexadecimal pairs with colons (RFC 8122 section 5)."""
    return hashlib.new(algorithm.replace("-", ""), certificate).digest().hex(":").upper()


def _context(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS1_2_VERSION)
    context.set_max_proto_version(_DTLS1_2_VERSION)
    # The MTU is ours to say, since the memory BIO has none; a resumed session would skip the peer's certificate.
    context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # Any certificate passes here: what makes it the peer's is the fingerprint, compared once the handshake is done.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_cipher_list(_CIPHERS)
    context.set_tlsext_use_srtp(":".join(profile.name for profile in PROFILES).encode())
    return context


def strongest(fingerprints: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of the strongest algorithm that we know, spelt as `fingerprint` spells them."""
    known = [(name.lower(), value.upper()) for name, value in fingerprints if name.lower() in DIGEST_LENGTHS]
    strongest = max((DIGEST_LENGTHS[name] for name, _ in known), default=0)
    return [(name, value) for name, value in known if DIGEST_LENGTHS[name] == strongest]
