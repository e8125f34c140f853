"""aiohttp: pages, REST, signalling, WHIP and WHEP, replay media, authorisation, metrics."""
