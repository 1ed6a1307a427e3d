"""Telnyx: TeXML and Call Control."""

SIGNATURE_HEADER = "telnyx-signature-ed25519"
"""The header of a request that has the signature; in lower case."""
