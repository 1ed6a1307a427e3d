"""An agent's file: its keys, what they mean, and what in it contradicts itself."""
