"""What is kept of lessons in an object store: mirrored from the data folder, brought back to a node that has none of
it, read by replays, and deleted. Knows files and names, not what is in them; delays no lesson, whatever the store does.
"""
