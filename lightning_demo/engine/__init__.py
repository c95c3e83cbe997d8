"""When a picture is computed. Knows nothing of HTTP or the page."""
