"""What people write today, kept as small named programs to measure against."""
