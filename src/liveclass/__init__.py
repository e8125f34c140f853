"""liveclass: a live classroom for places where the network is bad."""

__version__ = "0.1.0"
