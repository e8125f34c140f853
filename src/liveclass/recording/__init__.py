"""From the packets of a lesson to a replay that plays: the recorder, its files, and the books about them.

Imports only `errors`, `rtp` and `relay.source`: the recorder is one more sink of the relay and knows no socket.
`service.Recordings` is the door.
"""
