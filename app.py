"""What `python app.py` and a Hugging Face Space run: the live demo. Options: `--help`."""

import sys

from lightning_demo.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
