"""Slides, songs and films: uploaded once, made small in confined children, kept under the hash of their bytes.

Knows no lesson beyond its id, no page and no network; the server asks it for materials and serves their files.
"""
