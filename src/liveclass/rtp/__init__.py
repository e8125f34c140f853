"""RTP and RTCP as values: packets, sequence numbers, caches, loss repair, feedback.

Pure: bytes and `now` go in, values and deadlines come out. No socket, no clock, no asyncio.
"""
