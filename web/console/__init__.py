"""The console: pages for people, at `/console/`. HTML is made here, from what the API would answer.

Only `server.py` knows this package, and gives it what it may not know itself (`Sources`).
"""
