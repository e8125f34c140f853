"""Settings: three sources in order of weight, and errors that name the setting and what it expects."""

from pathlib import Path

import pytest

from liveclass.config import Described, Settings, described, items, load, misspelt_variables
from liveclass.errors import UsageError
from liveclass.operate.reference import page, values

ROOT = Path(__file__).resolve().parent.parent


def toml(folder: Path, text: str) -> Path:
    path = folder / "liveclass.toml"
    path.write_text(text, "utf-8")
    return path


def test_nothing_given_means_the_defaults() -> None:
    assert load({}, {}) == Settings()


def test_an_option_outweighs_a_variable_and_a_variable_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "port = 1\nudp_port = 2\nmax_called = 7\n")
    settings = load({"port": "3"}, {"LIVECLASS_PORT": "4", "LIVECLASS_UDP_PORT": "5"}, file)
    assert (settings.port, settings.udp_port, settings.max_called) == (3, 5, 7)


def test_an_option_that_was_not_given_changes_nothing() -> None:
    assert load({"port": None}, {"LIVECLASS_PORT": "4"}).port == 4


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load({}, {"LIVECLASS_PORT": "", "LIVECLASS_TLS_KEY": ""}, toml(tmp_path, "port = 9")).port == 9


def test_a_variable_may_name_the_file(tmp_path: Path) -> None:
    assert load({}, {"LIVECLASS_CONFIG": str(toml(tmp_path, "port = 9"))}).port == 9


@pytest.mark.parametrize("about", list(described()), ids=lambda about: about.name)
def test_every_setting_can_be_given_in_all_three_ways(about: Described, tmp_path: Path) -> None:
    name = about.name
    other: dict[type, tuple[str, object]] = {
        int: ("64", 64),
        float: ("5.5", 5.5),
        Path: ("/somewhere", Path("/somewhere")),
    }
    kind = about.type
    text, value = (
        {
            "host": ("127.0.0.1", "127.0.0.1"),
            "public_address": ("192.0.2.7, 2001:db8::1", "192.0.2.7, 2001:db8::1"),
            "public_url": ("https://class.example.org", "https://class.example.org"),
            "allowed_origins": ("https://school.example.org", "https://school.example.org"),
            "trusted_proxies": ("10.0.0.0/8", "10.0.0.0/8"),
            "default_language": ("en", "en"),
            "database_url": ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
            "admin_token": ("a-token-of-some-length", "a-token-of-some-length"),
            "metrics_token": ("a-token-of-some-length", "a-token-of-some-length"),
            "abandoned_after_s": ("90.5", 90.5),
            "recording_queue_bytes": ("2000000", 2_000_000),
            "max_upload_bytes": ("20000", 20_000),
            "material_work_s": ("90.5", 90.5),
            "material_memory_bytes": ("600000000", 600_000_000),
            "max_sdp_bytes": ("5000", 5000),
            "max_body_bytes": ("5000", 5000),
            "max_message_bytes": ("5000", 5000),
            "retransmission_share": ("0.3", 0.3),
            "cascade_share": ("0.5", 0.5),
            "turn_urls": ("turn:turn.example.org:3478", "turn:turn.example.org:3478"),
            "turn_secret": ("a-secret-of-some-length", "a-secret-of-some-length"),
            "turn_credential_s": ("900.5", 900.5),
            "redis_url": ("redis://10.0.0.3:6379/0", "redis://10.0.0.3:6379/0"),
            "fleet_prefix": ("other", "other"),
            "fleet_key": ("a-secret-of-some-length", "a-secret-of-some-length"),
            "node_name": ("north-1", "north-1"),
            "node_host": ("10.0.0.4", "10.0.0.4"),
            "store_url": ("s3://bucket/prefix", "s3://bucket/prefix"),
            "store_endpoint": ("https://minio.example.org:9000", "https://minio.example.org:9000"),
            "store_region": ("eu-central-1", "eu-central-1"),
            "store_key_id": ("a-key", "a-key"),
            "store_key_secret": ("its-secret", "its-secret"),
            "store_signed_s": ("120.5", 120.5),
            "max_events": ("5000", 5000),
            "max_timeline_bytes": ("2000000", 2_000_000),
        }.get(name)
        or other.get(kind)
        or (("true" if not about.default else "false", not about.default) if kind is bool else (kind[-1], kind[-1]))
    )
    more = {
        "tls_certificate": {"tls_key": "/other"},
        "tls_key": {"tls_certificate": "/other"},
        "turn_urls": {"turn_secret": "a-secret-of-some-length"},
        "store_key_id": {"store_key_secret": "its-secret"},
        "store_key_secret": {"store_key_id": "a-key"},
        "turn_secret": {"turn_urls": "turns:[2001:db8::1]:443?transport=tcp"},
    }.get(name, {})
    variables = {f"LIVECLASS_{key.upper()}": given for key, given in {name: text, **more}.items()}
    written = value if isinstance(value, bool) else value if isinstance(value, int | float) else f'"{value}"'
    line = f"{name} = {str(written).lower() if isinstance(written, bool) else written}\n"
    file = toml(tmp_path, line + "".join(f'{key} = "{given}"\n' for key, given in more.items()))
    for settings in (load({name: text, **more}, {}), load({}, variables), load({}, {}, file)):
        assert getattr(settings, name) == value
        assert getattr(Settings(), name) != value


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": "80 80"}, ["--port", "whole number", "65535", "80 80"]),
        ({"port": "65536"}, ["--port", "from 0 to 65535"]),
        ({"udp_port": "-1"}, ["--udp-port", "from 0 to 65535"]),
        ({"record": "perhaps"}, ["--record", "true or false"]),
        ({"log_level": "loud"}, ["--log-level", "debug, info, warning, error"]),
        ({"session_timeout_s": "nan"}, ["--session-timeout-s", "a number of seconds"]),
        ({"call_grace_s": "1"}, ["--call-grace-s", "from 5 to 3600"]),
        ({"abandoned_after_s": "30"}, ["--abandoned-after-s", "from 60 to 604800"]),
        ({"posts_per_s": "inf"}, ["--posts-per-s", "per second"]),
        ({"fragment_s": "8", "segment_s": "4"}, ["fragment_s", "segment_s"]),
        ({"tls_certificate": "/c.pem"}, ["tls_certificate", "tls_key", "both or neither"]),
        ({"tls_certificate": "/c", "tls_key": "/k", "tls_self_signed": "on"}, ["tls_self_signed", "expected false"]),
        ({"turn_urls": "turn:a.example"}, ["turn_urls", "turn_secret", "both or neither"]),
        ({"turn_urls": "https://a.example", "turn_secret": "s" * 16}, ["turn_urls", "turn:turn.example.org:3478"]),
        ({"turn_urls": "turn:a.example", "turn_secret": "short"}, ["turn_secret", "at least 16"]),
        ({"store_url": "https://minio.example.org/bucket"}, ["store_url", "s3://bucket/prefix"]),
        ({"store_url": "file://host/folder"}, ["store_url", "file:///srv"]),
        ({"store_url": "s3://key:secret@bucket"}, ["store_url", "s3://bucket/prefix"]),
        ({"store_endpoint": "minio:9000"}, ["store_endpoint", "https://"]),
        ({"store_key_id": "a-key"}, ["store_key_secret", "both or neither"]),
        ({"retention_days": "-1"}, ["--retention-days", "from 0 to 36500"]),
        ({"public_address": "class.example.org"}, ["public_address", "IP addresses"]),
        ({"trusted_proxies": "10.0.0.1/8"}, ["trusted_proxies", "networks"]),
        ({"public_url": "class.example.org"}, ["public_url", "https://"]),
        ({"public_url": "https://class.example.org:port"}, ["public_url", "https://"]),
        ({"public_url": "https://me:secret@class.example.org"}, ["public_url"]),
        ({"allowed_origins": "https://a.example/path"}, ["allowed_origins", "without a path"]),
        ({"default_language": "Chinese (simplified)"}, ["default_language", "zh-CN"]),
        ({"host": ""}, ["host", "expected an address"]),
        ({"prot": "1"}, ["'prot'", "did you mean 'port'"]),
    ],
)
def test_an_error_names_the_setting_and_what_it_expects(given: dict[str, object], words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        load(given, {})
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = '80'", ["port in", "whole number"]),
        ("port = 1.5", ["port in", "whole number"]),
        ("port = true", ["port in", "whole number"]),
        ("record = 1", ["record in", "true or false"]),
        ("host = 1", ["host in", "text"]),
        ("prt = 1", ["'prt'", "did you mean 'port'"]),
        ("[server]\nport = 1", ["'server'"]),
        ("port = ", ["not valid TOML"]),
    ],
)
def test_an_error_in_the_file_names_the_file(text: str, words: list[str], tmp_path: Path) -> None:
    path = toml(tmp_path, text)
    with pytest.raises(UsageError) as error:
        load({}, {}, path)
    assert all(word in str(error.value) for word in [*words, str(path)]), str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load({}, {}, tmp_path / "none.toml")


def test_a_variable_is_named_as_the_source() -> None:
    """Kubernetes sets LIVECLASS_PORT=tcp://... for a service of that name: the message must lead there."""
    with pytest.raises(UsageError, match=r"^LIVECLASS_PORT: expected a whole number from 0 to 65535, got 'tcp://"):
        load({}, {"LIVECLASS_PORT": "tcp://10.0.0.1:8080"})


@pytest.mark.parametrize("token", ["short", "with a space in between", "密码密码密码密码密码密码密码密码"])
def test_a_token_that_does_not_fit_is_not_repeated(token: str) -> None:
    with pytest.raises(UsageError) as error:
        load({"admin_token": token}, {})
    assert "admin_token" in str(error.value)
    assert token not in str(error.value)


def test_a_list_in_the_file_is_a_comma_separated_setting(tmp_path: Path) -> None:
    settings = load({}, {}, toml(tmp_path, 'trusted_proxies = ["10.0.0.1", "192.168.0.0/16"]'))
    assert items(settings.trusted_proxies) == ("10.0.0.1", "192.168.0.0/16")


def test_the_database_is_in_the_data_folder_unless_said_otherwise() -> None:
    assert Settings(data_dir=Path("/srv/x")).database == "sqlite+aiosqlite:////srv/x/liveclass.db"
    assert Settings(database_url="postgresql://db/x").database == "postgresql://db/x"


def test_a_misspelt_variable_is_noticed_and_a_strange_one_is_not() -> None:
    environ = {"LIVECLASS_UDPPORT": "1", "LIVECLASS_CHROMIUM": "/usr/bin/chromium", "LIVECLASS_SERVER": "x", "PATH": ""}
    assert misspelt_variables(environ) == {"LIVECLASS_UDPPORT": "LIVECLASS_UDP_PORT"}


def test_the_page_of_settings_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == page(), (
        "run: liveclass settings --markdown > docs/settings.md"
    )


def test_every_setting_has_a_heading_a_help_text_and_a_default() -> None:
    text = page()
    for about in described():
        assert about.heading
        assert len(about.help) > 10
        assert f"### {about.name}\n" in text


def test_values_in_force_are_toml_that_gives_them_again_and_hide_secrets(tmp_path: Path) -> None:
    settings = load({"admin_token": "a-token-of-some-length", "port": "81", "data_dir": 'a "b" \\ c'}, {})
    text = values(settings)
    assert "a-token-of-some-length" not in text
    assert load({"admin_token": "a-token-of-some-length"}, {}, toml(tmp_path, text)) == settings
