"""Calls that the bot has placed: who has answered, and what is said to a person and to a machine."""
