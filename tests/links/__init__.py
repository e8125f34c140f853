"""Bad links of our own making: a namespace whose only way out leads through an emulated access network.

    from tests.links import BadLink, Profile

    async with BadLink("mountain-3g") as link:
        await asyncio.create_subprocess_exec(*link.command("curl", f"http://{link.server_address}:8080/"))
        link.set("barely")

Needs root, Linux, iproute2 and /dev/net/tun; `why_not` says in words what is missing. `python -m tests.links` is the
same as a command. Knows nothing of liveclass, media or browsers.
"""

from tests.links.course import COURSES, Course, Stage
from tests.links.link import BadLink, LinkError, why_not
from tests.links.profile import PROFILES, Outage, Profile

__all__ = ["COURSES", "PROFILES", "BadLink", "Course", "LinkError", "Outage", "Profile", "Stage", "why_not"]
