"""Against dead air: what the bot does when it owes the caller words and none come."""
