"""Speech to speech: what a pipeline has in the place of recogniser and voice when one service does the work of all."""
