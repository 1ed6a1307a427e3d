"""What differs between the carriers, a folder for each."""
