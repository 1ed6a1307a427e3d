"""Twilio."""

SIGNATURE_HEADER = "x-twilio-signature"
"""The header of a request that has the signature; in lower case."""
