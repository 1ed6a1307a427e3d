"""What is said and understood in each language, as data: `data/LANGUAGE.toml`, with the same keys in all of them."""
