"""What the media plane counted, as figures by name. Counts nothing itself."""

from collections.abc import Iterable
from typing import get_args

from liveclass.relay.ports import Rung
from liveclass.relay.publisher import Publisher
from liveclass.relay.subscriber import Subscriber
from liveclass.relay.track import Track

TOTALS = (
    "packets_unprotectable_total",
    "packets_received_total",
    "packets_forwarded_total",
    "packets_lost_total",
    "packets_recovered_total",
    "packets_duplicate_total",
    "packets_retransmitted_total",
    "keyframe_requests_total",
    "nacks_sent_total",
    "nacks_received_total",
    "retransmissions_refused_total",
    "probe_bytes_total",
    "pictures_starved_total",
    "malformed",
)


def track_totals(track: Track) -> dict[str, int]:
    """Of one layer of a source."""
    return {
        "packets_received_total": track.packets,
        "packets_forwarded_total": track.forwarded,
        "packets_lost_total": track.lost,
        "packets_recovered_total": track.recovered,
        "packets_duplicate_total": track.duplicates,
        "packets_unprotectable_total": track.unprotectable,
        "keyframe_requests_total": track.plis,
    }


def session_totals(handler: Publisher | Subscriber) -> dict[str, int]:
    """Of one session."""
    if isinstance(handler, Publisher):
        return {"nacks_sent_total": handler.nacked, "malformed": handler.malformed}
    downlink = handler.downlink
    return {
        "nacks_received_total": handler.nacked,
        "packets_retransmitted_total": sum(slot.retransmitted for slot in handler.slots),
        "packets_unprotectable_total": handler.unprotectable,
        "retransmissions_refused_total": downlink.refused if downlink is not None else 0,
        "probe_bytes_total": downlink.probed if downlink is not None else 0,
        "pictures_starved_total": sum(slot.starved for slot in handler.video),
        "malformed": handler.malformed,
    }


def rungs(rooms: Iterable[Iterable[Subscriber]]) -> dict[str, float]:
    """How many adapted subscribers stand on each rung, and what the median one's link is believed to carry."""
    out: dict[str, float] = {f"rung_{rung}": 0 for rung in get_args(Rung)}
    estimates: list[int] = []
    for subscribers in rooms:
        for subscriber in subscribers:
            downlink = subscriber.downlink
            if downlink is not None and downlink.plan is not None and downlink.live:
                out[f"rung_{downlink.plan.rung}"] += 1
                estimates.append(downlink.controller.target_bps)
    out["downlink_bps"] = sorted(estimates)[len(estimates) // 2] if estimates else 0
    return out
