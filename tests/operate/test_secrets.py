"""The admin token is known once, its hash for ever; a program beside the server needs none."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from liveclass.errors import UsageError
from liveclass.operate.secrets import PASS_LIFE_S, Secrets, admin_token_notice

NOW = 1_800_000_000.5


def test_the_first_start_makes_a_token_and_later_ones_remember_it(tmp_path: Path) -> None:
    first = Secrets.open(tmp_path)
    assert first.new_admin_token is not None
    second = Secrets.open(tmp_path)
    assert second.new_admin_token is None
    assert second.signing_key == first.signing_key
    assert second.is_admin(first.new_admin_token, NOW)
    assert first.new_admin_token in admin_token_notice(first.new_admin_token)


def test_a_token_from_the_settings_is_the_only_one(tmp_path: Path) -> None:
    made = Secrets.open(tmp_path).new_admin_token
    assert made is not None
    secrets = Secrets.open(tmp_path, "chosen-by-the-operator")
    assert secrets.new_admin_token is None
    assert secrets.is_admin("chosen-by-the-operator", NOW)
    assert not secrets.is_admin(made, NOW)


@pytest.mark.parametrize(
    "token", ["", "x", "local.", "local.1.", "local.٣.x", "local.99999999999999999999.x", "\ud800"]
)
def test_nothing_else_is_an_admin(token: str, tmp_path: Path) -> None:
    assert not Secrets.open(tmp_path, "chosen-by-the-operator").is_admin(token, NOW)


def test_neither_token_nor_key_is_shown_by_accident(tmp_path: Path) -> None:
    secrets = Secrets.open(tmp_path)
    assert secrets.new_admin_token is not None
    assert secrets.new_admin_token not in repr(secrets)
    assert repr(secrets.signing_key) not in repr(secrets)


def test_the_token_is_nowhere_on_the_disk_and_the_rest_is_for_the_owner_alone(tmp_path: Path) -> None:
    made = Secrets.open(tmp_path).new_admin_token
    assert made is not None
    folder = tmp_path / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["admin-token.sha256", "signing.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert not any(made.encode() in path.read_bytes() for path in files)


def test_whoever_reads_the_key_gets_a_pass_that_holds_for_a_minute(tmp_path: Path) -> None:
    server = Secrets.open(tmp_path)
    beside = Secrets.read_key(tmp_path)
    assert beside is not None
    granted = beside.local_pass(NOW)
    assert server.is_admin(granted, NOW)
    assert server.is_admin(granted, NOW + PASS_LIFE_S - 1)
    assert not server.is_admin(granted, NOW + PASS_LIFE_S)
    assert not server.is_admin(granted, NOW - 10 * PASS_LIFE_S), "a pass from the future was forged or the clock is off"


def test_a_pass_of_another_server_or_with_another_time_is_worth_nothing(tmp_path: Path) -> None:
    server, other = Secrets.open(tmp_path / "a"), Secrets.open(tmp_path / "b")
    assert not server.is_admin(other.local_pass(NOW), NOW)
    _, expiry, signature = server.local_pass(NOW).split(".")
    assert not server.is_admin(f"local.{int(expiry) + 1}.{signature}", NOW)
    assert not server.is_admin(f"local.{expiry}.{signature[:-1]}", NOW)
    assert not server.is_admin(f"local.{expiry}.", NOW)


def test_a_key_alone_is_no_admin(tmp_path: Path) -> None:
    Secrets.open(tmp_path)
    beside = Secrets.read_key(tmp_path)
    assert beside is not None
    assert not beside.is_admin("", NOW)
    assert Secrets.read_key(tmp_path / "nowhere") is None


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    secrets = Secrets.open(tmp_path)
    keys = {secrets.signing_key, secrets.derive("media tokens"), secrets.derive("replay urls")}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}
    assert secrets.derive("media tokens") == Secrets.open(tmp_path).derive("media tokens")


def test_two_who_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Secrets.open(tmp_path), range(32)))
    assert len({secrets.signing_key for secrets in found}) == 1
    made = [secrets.new_admin_token for secrets in found if secrets.new_admin_token]
    assert len(made) == 1
    assert all(secrets.is_admin(made[0], NOW) for secrets in found)


@pytest.mark.parametrize(("name", "content"), [("signing.key", b"short"), ("admin-token.sha256", b"no hex")])
def test_a_damaged_secret_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    Secrets.open(tmp_path)
    (tmp_path / "secrets" / name).write_bytes(content)
    with pytest.raises(UsageError, match=f"{name}.*damaged"):
        Secrets.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be read or written"):
        Secrets.open(tmp_path / "file")
