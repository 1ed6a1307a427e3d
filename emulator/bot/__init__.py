"""The bot's own server: started for a call and stopped after it, and asked what it knows of the call."""
