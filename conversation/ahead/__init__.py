"""What is ready before it is needed: lines that a hosted voice has spoken once, ears that wait for their connection."""
