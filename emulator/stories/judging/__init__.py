"""Whether what a story expects was so, by what was heard and what happened."""
