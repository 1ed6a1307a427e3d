"""The service's HTTP faces: one router a file."""
