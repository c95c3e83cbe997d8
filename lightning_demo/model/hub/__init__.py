"""Files: from the cache or the Hugging Face Hub, verified, faults in words, progress."""
