"""One leg of a call, what is known of it, and what a carrier asks and tells a server about it."""
