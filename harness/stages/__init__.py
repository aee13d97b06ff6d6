"""Everything that a suite can ``use:``, in three rooms: data, systems, metrics.

The only room, with ``compute``, that imports torch and its kin.
"""
