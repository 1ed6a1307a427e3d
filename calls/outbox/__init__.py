"""What the owner's systems are told of calls: a durable outbox, the notices in it, and who delivers them."""
