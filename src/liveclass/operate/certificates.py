"""Certificates for HTTPS: read and check the operator's, or make and keep a self-signed one for a LAN.

Knows files and X.509 and the words for what a browser will show; it refuses to know the HTTP server. Faults of files
are `UsageError`s that name the file and what to do about it.
"""

import ipaddress
import os
import secrets
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ifaddr
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from liveclass.config import Settings, items
from liveclass.errors import UsageError

# Browsers refuse certificates that hold longer than 398 days; one day is kept for clocks that differ.
SELF_SIGNED_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
# Clocks of old school PCs run slow: a certificate made this minute would be "not yet valid" to them.
BACKDATED = timedelta(days=1)

BROWSER_WARNING = (
    'Browsers will warn once per device ("Your connection is not private", "Warning: Potential Security Risk Ahead"): '
    "choose Advanced, then Proceed or Accept the Risk; after that camera and microphone work."
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, read and found to fit together.

    Attributes:
        names: DNS names and IP addresses that it is valid for.
        not_after: aware, UTC.
        self_signed: made here, or anybody's that vouches for itself.
    """

    certificate: Path
    key: Path
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    self_signed: bool

    def covers(self, host: str) -> bool:
        """Whether a browser that opens `host` finds its name here (RFC 9525 section 6.3: one left-most wildcard)."""
        host = host.lower().rstrip(".")
        wild = "*." + host.partition(".")[2]
        return host in self.names or (wild in self.names and not _is_ip(host))


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The context to serve HTTPS with; None when the settings ask for plain HTTP.

    Raises:
        UsageError: the files cannot be used; says which and why.
    """
    certificate = certificate_of(settings)
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _fill(context, certificate)
    return context


def refresh(context: ssl.SSLContext, settings: Settings) -> Certificate | None:
    """Read the files anew into a context that is in use: connections made from now on get the renewed certificate.

    Call it once a day or so, and on SIGHUP. When the files are unfit the context stays as it is.

    Raises:
        UsageError: as `ssl_context`.
    """
    certificate = certificate_of(settings)
    if certificate is not None:
        _fill(context, certificate)
    return certificate


def certificate_of(settings: Settings, now: datetime | None = None) -> Certificate | None:
    """The certificate that the settings mean; the self-signed one is made or renewed when needed.

    Raises:
        UsageError: as `load`.
    """
    now = now or datetime.now(UTC)
    if settings.tls_certificate is not None and settings.tls_key is not None:
        return load(settings.tls_certificate, settings.tls_key, now)
    if settings.tls_self_signed:
        return self_signed(settings.data_dir, wanted_names(items(settings.public_address)), now)
    return None


def load(certificate: Path, key: Path, now: datetime) -> Certificate:
    """Read and check a certificate chain and its key.

    Args:
        certificate: PEM, the server's own certificate first.
        key: PEM, without passphrase.
        now: an aware time.

    Raises:
        UsageError: a file cannot be read or is not PEM, the key belongs to another certificate or has a passphrase, or
            the certificate is expired or not yet valid.
    """
    try:
        leaf = x509.load_pem_x509_certificates(_read("tls_certificate", certificate))[0]
    except ValueError as bad:
        raise UsageError(f"tls_certificate: {certificate} holds no certificate in PEM form") from bad
    try:
        private = serialization.load_pem_private_key(_read("tls_key", key), password=None)
    except TypeError as bad:
        raise UsageError(
            f"tls_key: {key} has a passphrase: give a key without one, readable by liveclass alone"
        ) from bad
    except ValueError as bad:
        raise UsageError(f"tls_key: {key} holds no private key in PEM form") from bad
    if _public(private.public_key()) != _public(leaf.public_key()):
        raise UsageError(f"tls_key: {key} is not the key of {certificate}")
    found = _described(certificate, key, leaf)
    if now >= found.not_after:
        raise UsageError(f"tls_certificate: {certificate} expired on {found.not_after:%Y-%m-%d}: renew it")
    if now < found.not_before:
        raise UsageError(
            f"tls_certificate: {certificate} is not valid before {found.not_before:%Y-%m-%d %H:%M} UTC: "
            "is this machine's clock right?"
        )
    return found


def self_signed(data_dir: Path, names: frozenset[str], now: datetime) -> Certificate:
    """The self-signed certificate in `data_dir/tls`, made anew when it is missing, unfit, old, or lacks a name.

    A name too many is no reason: people who once accepted it would be warned again.

    Raises:
        UsageError: the folder cannot be written.
    """
    certificate, key = data_dir / "tls" / "certificate.pem", data_dir / "tls" / "key.pem"
    try:
        kept = load(certificate, key, now)
    except UsageError:
        kept = None
    if kept is not None and now < kept.not_after - RENEW_BEFORE and names <= set(kept.names):
        return kept
    chain, secret = _make(names, now)
    try:
        certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The key goes first: should the power fail between the two, they do not fit and are made again.
        _replace(key, secret, 0o600)
        _replace(certificate, chain, 0o644)
    except OSError as failure:
        raise UsageError(f"{certificate.parent}: cannot be written: {failure.strerror}") from failure
    return load(certificate, key, now)


def wanted_names(addresses: tuple[str, ...] = ()) -> frozenset[str]:
    """Every name under which a device of the LAN may open this machine: host names, its addresses, and localhost."""
    given = {str(ipaddress.ip_address(address)) for address in addresses}  # one spelling, or each start makes it anew
    hosts = {"localhost", "127.0.0.1", "::1", *given, *local_addresses()}
    host = socket.gethostname().lower()
    if host and host.isascii() and all(part.replace("-", "").isalnum() for part in host.split(".")):
        hosts |= {host} if "." in host else {host, f"{host}.local"}  # mDNS (RFC 6762) answers to `.local`
    return frozenset(hosts)


def local_addresses() -> tuple[str, ...]:
    """This machine's own IP addresses, without loopback and link-local ones, which no link can carry."""
    found = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            address = ipaddress.ip_address(entry.ip if isinstance(entry.ip, str) else entry.ip[0].partition("%")[0])
            if not (address.is_loopback or address.is_link_local):
                found.append(str(address))
    return tuple(dict.fromkeys(found))


def _make(names: frozenset[str], now: datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "liveclass (self-signed)")])
    general: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(name)) if _is_ip(name) else x509.DNSName(name) for name in sorted(names)
    ]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    begins = now - BACKDATED
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + SELF_SIGNED_LIFE)
        .add_extension(x509.SubjectAlternativeName(general), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), secret


def _described(certificate: Path, key: Path, leaf: x509.Certificate) -> Certificate:
    try:
        general = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [name.lower() for name in general.get_values_for_type(x509.DNSName)]
        names += [str(address) for address in general.get_values_for_type(x509.IPAddress)]
    except (x509.ExtensionNotFound, ValueError):
        names = []  # browsers look nowhere else (RFC 9525 section 6.1)
    return Certificate(
        certificate, key, tuple(names), leaf.not_valid_before_utc, leaf.not_valid_after_utc, leaf.issuer == leaf.subject
    )


def _fill(context: ssl.SSLContext, certificate: Certificate) -> None:
    try:
        context.load_cert_chain(certificate.certificate, certificate.key)
    except (ssl.SSLError, OSError) as failure:
        reason = getattr(failure, "reason", None) or failure.strerror
        raise UsageError(f"tls_certificate: {certificate.certificate} cannot be used: {reason}") from failure


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # every kind of public key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failure:
        raise UsageError(f"{setting}: {path} cannot be read: {failure.strerror}") from failure


def _replace(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
