"""What an operator has to know of a deployment: what to paste where, and what is wrong and how to mend it."""
