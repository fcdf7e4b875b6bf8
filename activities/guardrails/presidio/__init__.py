"""Presidio, the optional extra: names, places and whatever else it knows, found beside our own detectors.

Imports nothing of Presidio or spaCy until an agent wants it, and never downloads anything.
"""
