"""Larkline, a phone company that does not exist, made by what docs/carriers.md asks of a carrier.

Its documents and its REST are JSON; its media sockets have binary frames for audio, and events of other names. No file
of the product knows of it.
"""
