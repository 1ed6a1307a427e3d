"""Call flows: Pipecat Flows in our pipeline, kept with the call, with our words, our goodbyes and our transfers."""
