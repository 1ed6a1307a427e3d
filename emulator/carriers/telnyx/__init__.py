"""What is Telnyx's own: TeXML's forms and callbacks, its media messages, its REST interface."""
