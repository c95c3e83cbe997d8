"""What is done with more than one picture: lists, templates, batches and their manifests.

Shared by the command line, the APIs and the page. Knows the engine; nothing of HTTP or torch.
"""
