"""Devices at the edge: a folder per kind, a port each, drivers behind it, simulators among them.

Importing this package, or a kind of device, opens nothing and imports no vendor's library.
"""
