"""A process that owns a lesson and says when it may write, to be stopped and woken by a test.

python -m tests.cluster.writer REDIS_URL LESSON
"""

import asyncio
import sys

from liveclass.cluster.peers import TryLater
from liveclass.cluster.redis import RedisDirectory
from tests.cluster.nodes import Fleet

LEASE_S = 1.0


async def main(url: str, lesson: str) -> None:
    fleet = Fleet(LEASE_S)
    directory = RedisDirectory(url, "stopped")
    member = await fleet.add("writer", directory)
    while member.node.mine(lesson) is None:
        await asyncio.sleep(0.1)
        if not member.dropped and member.node.sees_directory:
            try:
                await member.node.claim_here(lesson)
            except TryLater:
                pass  # the directory is young
    said = ""
    while True:
        word = "fenced" if member.dropped else "writes" if member.node.may_write(lesson) else "waits"
        if word != said:
            print("now", word, flush=True)
            said = word
        await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
