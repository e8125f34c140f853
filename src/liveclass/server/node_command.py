"""`liveclass node list|drain`: the nodes of a fleet, as its directory has them, and the word to one of them to move its
lessons away.

Works where a node's data folder or `fleet_key` is: that is what nodes know each other by.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

import aiohttp
import msgspec
from yarl import URL

from liveclass.cluster.directory import Directory, DirectoryGone
from liveclass.cluster.model import NodeInfo
from liveclass.errors import UsageError
from liveclass.server.fleet import NodeView
from liveclass.server.internal import HEADER, NodeKey

CALL_S = 5.0
LOOK_S = 1.0
"""How often a draining node is asked how far it is."""


async def run(arguments: argparse.Namespace, directory: Directory, key: NodeKey) -> int:
    """Do what was asked.

    Returns:
        the exit code: 0; 1 when lessons are left after the wait.

    Raises:
        UsageError: no directory, no such node, or it does not answer.
    """
    try:
        nodes = await directory.nodes()
    except DirectoryGone as gone:
        raise UsageError("the directory of the fleet does not answer") from gone
    finally:
        await directory.close()
    if arguments.action == "list":
        print(json.dumps([asdict(node) for node in nodes], indent=2) if arguments.json else table(nodes))
        return 0
    meant = chosen(nodes, arguments.node)
    if not meant:
        raise UsageError(f"there is no node {arguments.node!r}; `liveclass node list` shows those that are there")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S)) as http:
        left = await asyncio.gather(*(drained(http, key, node, arguments.wait) for node in meant))
    for node, lessons in zip(meant, left, strict=True):
        print(f"{node.name} ({node.id}) takes no more lessons; it has {lessons}.")
    return 1 if arguments.wait and any(left) else 0


async def drained(http: aiohttp.ClientSession, key: NodeKey, node: NodeInfo, wait_s: float) -> int:
    """Tell a node to drain. Returns how many lessons it has after at most `wait_s`."""
    await call(http, key, node, "POST", "/internal/drain")
    end = asyncio.get_running_loop().time() + wait_s
    while True:
        view = msgspec.json.decode(await call(http, key, node, "GET", "/internal/node"), type=NodeView)
        if not view.held or asyncio.get_running_loop().time() >= end:
            return len(view.held)
        await asyncio.sleep(LOOK_S)


async def call(http: aiohttp.ClientSession, key: NodeKey, node: NodeInfo, method: str, path: str) -> bytes:
    """One request to a node. Raises UsageError."""
    url = URL(node.url + path, encoded=True)
    try:
        async with http.request(method, url, headers={HEADER: key.header("command", method, path)}) as answer:
            if answer.status == 403:
                raise UsageError(f"{node.name} does not believe this command: fleet_key or data_dir is not the fleet's")
            if answer.status != 200:
                raise UsageError(f"{node.name} refused: HTTP {answer.status}")
            return await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise UsageError(f"{node.name} does not answer at {node.url}") from error


def chosen(nodes: Sequence[NodeInfo], wanted: str) -> list[NodeInfo]:
    """The nodes that a person means by an id, a name, or the name of their machine."""
    exact = [node for node in nodes if wanted in {node.id, node.name}]
    return exact or [node for node in nodes if node.name.rpartition("-")[0] == wanted]


def table(nodes: Sequence[NodeInfo]) -> str:
    """For a terminal."""
    rows = [("NODE", "STATE", "LESSONS", "SESSIONS", "CPU", "VERSION", "ADDRESS")]
    rows += [
        (
            node.name,
            "draining" if node.draining else "ready",
            f"{node.lessons}/{node.max_lessons}",
            f"{node.sessions}/{node.max_sessions}",
            f"{node.cpu:.0%}",
            node.version,
            node.url,
        )
        for node in nodes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) if nodes else "No node is there: no fleet runs here, or its workers have just begun."
