"""Phone talks as data: people of many voices call the bot, and what they felt is measured on the line."""
