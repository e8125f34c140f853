"""A child that a hostile file has taken over harms nothing and nobody."""

import asyncio
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from liveclass.errors import PeerError
from liveclass.materials import office
from liveclass.materials.model import Failed
from liveclass.materials.runner import Child, child_command
from tests.materials import files
from tests.materials.workshop import LESSON, hostile, workshop

BOUNDS = {"memory_bytes": 1 << 30, "cpu_s": 20, "file_bytes": 1_000_000}


async def look(tmp_path: Path, **more: Any) -> dict[str, Any]:
    """What a confined child sees of this machine."""
    folder = tmp_path / "child"
    folder.mkdir()
    child = await Child.start(hostile("look"), "pages", {**BOUNDS, **more}, folder)
    try:
        assert await child.ended(20) == 0
    finally:
        await child.close()
    seen: dict[str, Any] = json.loads((folder / "seen.json").read_text("utf-8"))
    return seen


async def test_it_sees_no_network_no_secret_and_nothing_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVECLASS_ADMIN_TOKEN", "secret")
    secret = tmp_path / "secret"
    secret.write_text("secret", "utf-8")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        seen = await look(tmp_path, port=listening.getsockname()[1], secret=str(secret))
    assert set(seen["environment"]) <= {"HOME", "LANG", "PATH", "PYTHONPATH", "TMPDIR", "LC_CTYPE"}
    assert seen["nice"] >= 10
    assert seen["session"] is True
    # Its three streams, and the folder that it has just listed.
    assert len(seen["open"]) <= 4
    if not seen["network"] or not seen["files"]:
        pytest.skip(f"this kernel does not grant it all: network {seen['network']}, files {seen['files']}")
    assert seen["reached"] == "refused"
    assert seen["secret"] is False


@pytest.mark.parametrize(
    ("what", "problems"),
    [
        ("memory", {"file_broken", "too_large"}),
        ("processor", {"took_too_long"}),
        ("sleep", {"took_too_long"}),
        ("crash", {"file_broken"}),
        ("disk", {"too_large", "file_broken"}),
        ("nonsense", {"file_broken"}),
        ("flood", {"file_broken"}),
        ("lies", {"file_broken"}),
        ("orphan", {"took_too_long"}),
        ("link", {"file_broken"}),
        ("hardlink", {"file_broken"}),
    ],
)
async def test_whatever_it_does_its_material_fails_and_nothing_else(
    what: str, problems: set[str], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"RIFF secret")
    async with workshop(
        tmp_path / "store", command=hostile(what), page_s=3.0, memory_bytes=300_000_000, max_upload_bytes=200_000
    ) as shop:
        material = await shop.made(files.deck(["a"]))
        assert material.state == "failed"
        assert material.problem in problems
        assert shop.names() == {f"{material.id}.index"}
    async with workshop(tmp_path / "store") as shop:
        assert (await shop.made(files.deck(["b"]))).state == "ready"


async def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    child = await Child.start(hostile("orphan"), "pages", BOUNDS, tmp_path)
    pid_file = tmp_path / "orphan.pid"
    for _ in range(200):
        if pid_file.exists() and pid_file.read_text("ascii"):
            break
        await asyncio.sleep(0.05)
    grandchild = int(pid_file.read_text("ascii"))
    await child.close()
    for _ in range(100):
        if not is_running(grandchild):
            break
        await asyncio.sleep(0.02)
    assert not is_running(grandchild)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", maxsplit=1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_processor_time_is_bounded_by_the_kernel_itself(tmp_path: Path) -> None:
    child = await Child.start(hostile("processor"), "pages", {**BOUNDS, "cpu_s": 1}, tmp_path)
    try:
        with pytest.raises(Failed) as failed:
            await child.hear(30)
        assert failed.value.problem == "took_too_long"
    finally:
        await child.close()


def test_a_child_whose_parent_is_gone_ends(tmp_path: Path) -> None:
    """Its stdin ends; a parent that is killed leaves nothing behind."""
    (tmp_path / "source").write_bytes(files.deck(["a"]))
    options = {**BOUNDS, "reader": "pdf", "format": "pdf", "max_pages": 10}
    began = time.monotonic()
    ran = subprocess.run(
        [*child_command(), "pages", json.dumps(options)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ},
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == {"pages": 1}
    assert time.monotonic() - began < 20


async def test_office_files_are_made_by_what_libreoffice_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in LibreOffice's place, confined like it."""
    pdf = files.deck(["from office", "two"])
    monkeypatch.setattr("liveclass.materials.office.find", lambda: "/bin/sh")
    monkeypatch.setattr(
        "liveclass.materials.office.options",
        lambda _program, suffix: {
            "program": "/bin/sh",
            "arguments": ["/bin/sh", "-c", f"tail -c {len(pdf)} source.{suffix} > source.pdf; echo converted"],
            "memory_bytes": 1 << 30,
        },
    )
    data = b"PK\x03\x04 [Content_Types].xml ppt/slides/slide1.xml" + pdf
    async with workshop(tmp_path / "store") as shop:
        # The mark of a PDF must not stand where a PDF's would.
        material = await shop.made(data[:60] + b"\0" * 2000 + pdf, "课件.pptx")
        assert (material.state, material.total) == ("ready", 2)
        assert shop.deck(material).pages[0].text == "from office"
        assert not any(name.endswith(".work") for name in shop.names())


@pytest.mark.skipif(not office.find(), reason="this machine has no LibreOffice")
async def test_libreoffice_itself_works_confined(tmp_path: Path) -> None:
    async with workshop(tmp_path / "store") as shop:
        material = await shop.made(files.document("Spring is here"), "课件.odt")
        assert (material.state, material.total) == ("ready", 1)
        assert "Spring is here" in shop.deck(material).pages[0].text


async def test_a_server_without_libreoffice_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveclass.materials.office.find", lambda: "")
    async with workshop(tmp_path) as shop:
        with pytest.raises(PeerError) as refused:
            await shop.upload(b"PK\x03\x04 [Content_Types].xml ppt/slides/slide1.xml" + b"\0" * 100)
        assert (refused.value.status, refused.value.code) == (415, "office_not_installed")
        assert await shop.materials.list(LESSON) == []
