"""What the command line, the APIs and the page share beyond one picture that is painted.

Lists of pictures, templates, batches and their manifests, films, and what picture files say of
themselves. Knows the engine; nothing of HTTP or torch.
"""
