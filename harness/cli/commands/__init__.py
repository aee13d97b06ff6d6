"""The commands, one module each; ``main.py`` only parses the arguments and calls them."""
