"""Getting the bot to where it runs."""
