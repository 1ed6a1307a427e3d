"""TwiML and TeXML: documents, the verbs in them, and what carries these out."""
