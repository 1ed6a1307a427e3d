"""Calls that the bot has placed: who has answered, and what the bot says to a person and to a machine."""
