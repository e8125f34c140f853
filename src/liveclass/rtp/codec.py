"""What a media format is called and how its packets are timed. Knows nothing of any one packet."""

from dataclasses import dataclass, field
from typing import Literal

MediaKind = Literal["audio", "video"]
CodecName = Literal["opus", "H264", "VP8", "VP9", "AV1"]

CLOCK_RATES: dict[CodecName, int] = {"opus": 48_000, "H264": 90_000, "VP8": 90_000, "VP9": 90_000, "AV1": 90_000}


@dataclass(frozen=True, slots=True)
class Codec:
    """A media format as negotiated.

    Attributes:
        name: the encoding name, spelt as in its RTP payload specification.
        parameters: the `fmtp` parameters that matter for compatibility (profile-level-id, packetization-mode, ...).
    """

    name: CodecName
    parameters: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def kind(self) -> MediaKind:
        return "audio" if self.name == "opus" else "video"

    @property
    def clock_rate(self) -> int:
        """Ticks of the RTP timestamp per second."""
        return CLOCK_RATES[self.name]
