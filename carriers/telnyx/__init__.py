"""Telnyx: TeXML and Call Control."""
