"""`python -m liveclass` is the command `liveclass`. Knows nothing else."""

import sys

from liveclass.cli import main

if __name__ == "__main__":
    sys.exit(main())
