"""How a picture is computed. Knows torch and diffusers; nothing of sessions or HTTP."""
