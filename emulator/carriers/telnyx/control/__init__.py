"""Telnyx's Call Control: legs that do nothing until an application commands them."""
