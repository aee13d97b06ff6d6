"""From a name to files: the hub, the mirror, the cache, content digests.

The only room that may use the network for data.
"""
