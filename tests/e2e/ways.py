"""Which way a page's media takes, as the browser itself tells it: the candidate pair that carries packets."""

from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, Page

REMEMBER = """
window.connections = [];
window.RTCPeerConnection = new Proxy(RTCPeerConnection, {
  construct: (target, [config]) => {
    const made = new target({ ...config, ...window.configMore });
    window.connections.push(made);
    return made;
  },
});
"""

LOOK = """
async () => {
  const ways = [];
  for (const connection of window.connections) {
    const stats = new Map([...(await connection.getStats()).values()].map((one) => [one.id, one]));
    for (const transport of stats.values()) {
      const pair = transport.type === 'transport' && stats.get(transport.selectedCandidatePairId);
      if (!pair) continue;
      const [local, remote] = [stats.get(pair.localCandidateId), stats.get(pair.remoteCandidateId)];
      ways.push({
        type: local.candidateType, protocol: local.protocol, port: remote.port,
        received: pair.bytesReceived, sent: pair.bytesSent,
      });
    }
  }
  return ways;
}
"""


@dataclass(frozen=True, slots=True)
class Way:
    """A connection's way: `host`, `srflx`, `prflx` or `relay`; `udp` or `tcp`; the port of the server; bytes."""

    type: str
    protocol: str
    port: int
    received: int
    sent: int


async def watch(context: BrowserContext, *, relay_only: bool = False) -> None:
    """Remember the connections of pages that open from now on.

    Args:
        relay_only: they try nothing but TURN, as if a firewall stopped all else.
    """
    more = "{ iceTransportPolicy: 'relay' }" if relay_only else "{}"
    await context.add_init_script(f"window.configMore = {more};{REMEMBER}")


async def of(page: Page) -> list[Way]:
    """The ways of all connections that have one."""
    found: list[dict[str, Any]] = await page.evaluate(LOOK)
    return [Way(**way) for way in found]
