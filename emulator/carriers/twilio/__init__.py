"""What is Twilio's own: its forms, its media messages, its REST interface."""
