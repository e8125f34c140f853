"""What holds for all tests: property tests give the same cases on every run where nobody watches, and no test is timed.

`HYPOTHESIS_PROFILE=explore script/test -k fuzz` looks for new cases instead.
"""

import os

from hypothesis import settings

# No deadline: a busy machine is no fault of the code; time limits are measured where they are the law.
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
