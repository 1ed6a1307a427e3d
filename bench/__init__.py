"""Speed and memory of the bot, measured over the emulator: `python -m bench`."""
