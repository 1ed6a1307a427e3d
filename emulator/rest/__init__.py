"""A carrier's REST server on localhost, and what the interfaces of all carriers have."""
