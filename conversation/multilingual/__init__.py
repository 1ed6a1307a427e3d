"""The language of a conversation: how it changes in a call, and what changes with it."""
