"""Several GPUs and machines by Ray Serve: it starts, watches and replaces replicas of the engine.

Pictures do not go through Ray: each replica answers our own API (`web/replica.py`), and the web
process talks to it as to another server. Never imports torch.
"""
