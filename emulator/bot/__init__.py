"""The bot's own server: the emulator starts it for a call, stops it after the call, and asks it about the call."""
