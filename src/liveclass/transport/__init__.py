"""One UDP port: demultiplexing, ICE-lite, DTLS, SRTP and SDP answers. Knows peers, not lessons."""
