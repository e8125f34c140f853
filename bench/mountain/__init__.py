"""The mountain link, measured: what a village hears and sees of a lesson, on links of our own making.

`python -m bench.mountain --help`; how it works and what it does not show is in `bench/README.md`.
"""
