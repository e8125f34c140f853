"""Which node owns which lesson: in one process by default, over Redis in a fleet. Knows no media and no page."""
