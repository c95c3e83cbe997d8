"""Benchmarks: a table for people, and one JSON document as the last line for programs."""
