"""Whose turn it is: when a caller has finished, and what stops the bot while it speaks."""
