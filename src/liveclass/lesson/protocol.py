"""The two families of messages of the signalling WebSocket, whole; all in them stands in the modules named here."""

from liveclass.lesson import events, messages, orders
from liveclass.lesson.messages import PROTOCOL_VERSION, LessonMessage, LessonOrder

__all__ = ["MODULES", "PROTOCOL_VERSION", "ClientMessage", "ServerMessage"]

MODULES = (messages, orders, events)
"""Where the structs are, in the order in which they are described."""

ClientMessage = LessonOrder | orders.BoardOrder | orders.Passing

ServerMessage = (
    LessonMessage
    | events.BoardState
    | events.Happened
    | events.PageStrokes
    | events.ThumbnailOf
    | events.ThumbnailWanted
    | events.Prepared
)
