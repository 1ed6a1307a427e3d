"""TwiML and TeXML as text: documents are read here, and compared with what their language has."""
