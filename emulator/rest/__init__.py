"""The carriers' REST servers on localhost, and what both have."""
