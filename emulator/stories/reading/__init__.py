"""From a story's YAML to what it is made of: a file for each part, and what is wrong with it by line."""
