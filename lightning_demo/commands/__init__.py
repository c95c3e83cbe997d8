"""Commands, a module each: its options, and what it runs, which is imported when it runs.

`bench` and `miniature` stand beside what they command.
"""
