"""One leg of a call, what is known of it, and what a carrier asks a server and reports to it about the leg."""
