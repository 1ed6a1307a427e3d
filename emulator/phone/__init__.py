"""A softphone: a page on this machine whose microphone and loudspeaker are a phone of the emulated network."""
