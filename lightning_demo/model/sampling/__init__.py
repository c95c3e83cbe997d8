"""From prompt and seed to pixels: schedule tables, the Euler step, prompts, decoders."""
