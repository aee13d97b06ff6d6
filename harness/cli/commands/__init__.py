"""What the commands do, one module each; `cli.py` only parses and calls."""
