"""The planted situations, one module a group."""
