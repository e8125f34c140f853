"""The lesson itself: roles, floor, calls and the messages about them. Pure: no socket, no clock, no asyncio."""
