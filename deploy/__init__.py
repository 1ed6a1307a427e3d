"""What deploys the bot: the server's image, and the secrets for Pipecat Cloud."""
