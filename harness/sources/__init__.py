"""Find the files of named sources: the hub, the mirror, the cache, content digests.

The only package that may use the network for data. ``assets/`` holds the embedded default, which needs none.
"""

from harness.sources import embedded as embedded  # suites can name assets wherever they can name sources
