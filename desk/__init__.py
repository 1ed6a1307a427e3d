"""What is done about what carriers ask and report: the policy of calls behind the HTTP face."""
