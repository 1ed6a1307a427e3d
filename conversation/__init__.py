"""What is said on a call: agents, services, the pipeline, tools, turns, and the keyless local stack."""
