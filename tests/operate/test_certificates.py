"""Certificates: the operator's are checked before they fail in a browser, and a LAN gets one that lasts."""

import ipaddress
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from liveclass.config import Settings
from liveclass.errors import UsageError
from liveclass.operate import certificates
from liveclass.operate.certificates import RENEW_BEFORE, SELF_SIGNED_LIFE, load, refresh, self_signed, ssl_context

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
NAMES = frozenset({"localhost", "127.0.0.1", "::1", "192.0.2.7", "class-server", "class-server.local"})


def files_of(settings: Settings) -> Settings:
    """The same certificate, as the operator would give it."""
    tls = settings.data_dir / "tls"
    return Settings(tls_certificate=tls / "certificate.pem", tls_key=tls / "key.pem")


def test_a_self_signed_certificate_says_what_browsers_ask_for(tmp_path: Path) -> None:
    made = self_signed(tmp_path, NAMES, NOW)
    leaf = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "class-server", "class-server.local"}
    assert ipaddress.ip_address("192.0.2.7") in names.get_values_for_type(x509.IPAddress)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == SELF_SIGNED_LIFE <= timedelta(days=397)
    assert leaf.not_valid_before_utc < NOW < leaf.not_valid_after_utc
    assert made.self_signed
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.key.parent.stat().st_mode) == 0o700


def test_it_is_kept_as_long_as_it_serves(tmp_path: Path) -> None:
    made = self_signed(tmp_path, NAMES, NOW)
    assert self_signed(tmp_path, NAMES, NOW + timedelta(days=300)) == made
    assert self_signed(tmp_path, NAMES - {"192.0.2.7"}, NOW) == made, (
        "an address less is no reason to warn people again"
    )


@pytest.mark.parametrize("reason", ["old", "address", "key", "garbage", "half"])
def test_it_is_made_anew_when_it_serves_no_more(tmp_path: Path, reason: str) -> None:
    made = self_signed(tmp_path, NAMES, NOW)
    names, now = NAMES, NOW
    if reason == "old":
        now = made.not_after - RENEW_BEFORE
    elif reason == "address":
        names |= {"192.0.2.8"}
    elif reason == "key":
        made.key.unlink()
    elif reason == "garbage":
        made.certificate.write_bytes(b"\x00")
    else:
        made.certificate.write_bytes(made.certificate.read_bytes()[:300])
    before = made.certificate.read_bytes()
    fresh = self_signed(tmp_path, names, now)
    assert fresh.certificate.read_bytes() != before
    assert names <= set(fresh.names)
    assert fresh.not_after > now + RENEW_BEFORE


def test_one_address_in_two_spellings_is_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, tls_self_signed=True, public_address="2001:DB8:0::1")
    first = certificates.certificate_of(settings)
    assert first is not None
    before = first.certificate.read_bytes()
    again = certificates.certificate_of(settings)
    assert again is not None
    assert again.certificate.read_bytes() == before


def test_wanted_names_hold_localhost_and_this_machine() -> None:
    names = certificates.wanted_names(("192.0.2.9",))
    assert {"localhost", "127.0.0.1", "::1", "192.0.2.9", *certificates.local_addresses()} <= names
    for address in certificates.local_addresses():
        assert not ipaddress.ip_address(address).is_loopback


def test_plain_http_has_no_context() -> None:
    assert ssl_context(Settings()) is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_trusts_it_connects(tmp_path: Path, version: ssl.TLSVersion) -> None:
    settings = Settings(data_dir=tmp_path, tls_self_signed=True)
    context = ssl_context(settings)
    assert context is not None
    client = ssl.create_default_context(cafile=tmp_path / "tls" / "certificate.pem")
    client.minimum_version = client.maximum_version = version
    assert shake(context, client) == version.name.replace("_", ".")


def test_tls_older_than_1_2_is_refused(tmp_path: Path) -> None:
    context = ssl_context(Settings(data_dir=tmp_path, tls_self_signed=True))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_renewed_certificate_is_shown_to_the_next_who_connects(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, tls_self_signed=True)
    context = ssl_context(settings)
    assert context is not None
    given = files_of(settings)
    self_signed(tmp_path, frozenset({"localhost", "renewed.example"}), datetime.now(UTC))
    client = ssl.create_default_context(cafile=tmp_path / "tls" / "certificate.pem")
    with pytest.raises(ssl.SSLError):
        shake(context, client)
    found = refresh(context, given)
    assert found is not None
    assert "renewed.example" in found.names
    shake(context, client)


def test_unfit_files_leave_a_context_as_it_is(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, tls_self_signed=True)
    context = ssl_context(settings)
    assert context is not None
    given = files_of(settings)
    client = ssl.create_default_context(cafile=given.tls_certificate)
    assert given.tls_certificate is not None
    given.tls_certificate.write_text("half a fi")
    with pytest.raises(UsageError):
        refresh(context, given)
    shake(context, client)


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> str | None:
    """A whole handshake over a pair of sockets; the version agreed on."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answer = threading.Thread(target=_serve, args=(server, ours))
        answer.start()
        try:
            with client.wrap_socket(theirs, server_hostname="localhost") as secured:
                secured.recv(1)
                return secured.version()
        finally:
            theirs.close()
            answer.join(5)


def _serve(context: ssl.SSLContext, sock: socket.socket) -> None:
    try:
        with context.wrap_socket(sock, server_side=True) as secured:
            secured.send(b"x")
    except OSError:
        pass  # the client refused, which is what it is there to tell


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    one, two = (self_signed(tmp_path / name, NAMES, NOW) for name in "ab")
    with pytest.raises(UsageError, match=r"tls_key: .* is not the key of"):
        load(one.certificate, two.key, NOW)


def test_an_expired_and_a_future_certificate_are_named(tmp_path: Path) -> None:
    made = self_signed(tmp_path, NAMES, NOW)
    with pytest.raises(UsageError, match="expired on 2027-10-02"):
        load(made.certificate, made.key, made.not_after)
    with pytest.raises(UsageError, match=r"not valid before 2026-08-31 12:00 UTC.*clock"):
        load(made.certificate, made.key, made.not_before - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"", "no certificate in PEM form"), (b"\x30\x82garbage", "no certificate in PEM form")],
)
def test_an_unreadable_certificate_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    made = self_signed(tmp_path, NAMES, NOW)
    given = tmp_path / "given.pem"
    if content is not None:
        given.write_bytes(content)
    with pytest.raises(UsageError, match=f"tls_certificate: .*given.pem .*{words}"):
        load(given, made.key, NOW)


def test_a_key_with_a_passphrase_is_named(tmp_path: Path) -> None:
    made = self_signed(tmp_path, NAMES, NOW)
    key = serialization.load_pem_private_key(made.key.read_bytes(), password=None)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(UsageError, match="passphrase"):
        load(made.certificate, made.key, NOW)


def test_keys_in_the_wrong_form_are_named(tmp_path: Path) -> None:
    made = self_signed(tmp_path, NAMES, NOW)
    for content in (b"", b"x", made.certificate.read_bytes()):
        made.key.write_bytes(content)
        with pytest.raises(UsageError, match="no private key in PEM form"):
            load(made.certificate, made.key, NOW)


def test_an_rsa_key_fits_its_own_certificate_only(tmp_path: Path) -> None:
    made = self_signed(tmp_path, NAMES, NOW)
    other = rsa.generate_private_key(65537, 2048)
    made.key.write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    with pytest.raises(UsageError, match="is not the key of"):
        load(made.certificate, made.key, NOW)


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("example.org", False),
        ("a.example.org", True),
        ("a.b.example.org", False),
    ],
)
def test_a_host_is_covered_as_browsers_see_it(tmp_path: Path, host: str, covered: bool) -> None:
    assert self_signed(tmp_path, NAMES | {"*.example.org"}, NOW).covers(host) is covered


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("in the way")
    with pytest.raises(UsageError, match="tls: cannot be written"):
        self_signed(tmp_path, NAMES, NOW)
