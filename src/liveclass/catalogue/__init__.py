"""Lessons, links and recordings in a database (SQLAlchemy). Knows no HTTP and no media."""
