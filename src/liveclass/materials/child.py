"""The confined child that reads a stranger's file: `python -m liveclass.materials.child JOB OPTIONS`.

Its working directory holds the file as `source`, and takes what is made of it. It confines itself before it opens the
file, says on stdout line by line in JSON how far it is, takes numbers of pages on stdin, and ends with its stdin. A
file that cannot be used ends it with `{"problem": ...}`. Everything it says and makes is checked by `runner`: a child
that a hostile file has taken over can lie, and no more.
"""

import json
import os
import sys
from typing import Any

from liveclass.materials.confine import confine

SOURCE = "source"


def tell(**message: Any) -> None:
    """One line to the parent."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run the job; the options are one JSON object that the parent wrote."""
    job, options = sys.argv[1], json.loads(sys.argv[2])
    confined = confine(
        memory_bytes=options["memory_bytes"],
        cpu_s=options["cpu_s"],
        file_bytes=options["file_bytes"],
        own_tmp=job == "office",
    )
    # Imported here: each job pays for its own libraries only, and the confining needs a process with one thread.
    if job == "probe":
        tell(**confined.as_dict())
        return 0
    if job == "office":
        os.environ.update(HOME="/tmp", TMPDIR="/tmp")  # noqa: S108  (which is the working directory now)
        os.execv(options["program"], options["arguments"])  # noqa: S606  (no shell is what is wanted)
    try:
        if job == "pages":
            from liveclass.materials import render

            render.run(options, tell, sys.stdin)
        else:
            from liveclass.materials import transcode

            transcode.run(options, tell)
    except MemoryError:
        tell(problem="too_large")
    except (BrokenPipeError, KeyboardInterrupt):
        return 1
    except Exception as error:
        tell(problem=getattr(error, "problem", "file_broken"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
