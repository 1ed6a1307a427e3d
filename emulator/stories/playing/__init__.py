"""Plays stories: the server under test is started, people call, the operator acts, and what happens is kept."""
