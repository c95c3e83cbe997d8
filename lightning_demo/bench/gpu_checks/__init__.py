"""What `bench gpu-check` checks; each check returns what it measured or raises."""
