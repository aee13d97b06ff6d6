"""Turn generated images into a data set: filter them, pack them in the hub's format, join them with real ones.

Filtered-out images are kept, with the rule and the value that excluded them. A data set can be read with
``datasets.load_dataset``; ``harness publish`` uploads one, only when a person runs it.
"""

from harness.stages.data.synthetic.filtering import filter
from harness.stages.data.synthetic.joining import join
from harness.stages.data.synthetic.packing import dataset, read

__all__ = ["dataset", "filter", "join", "read"]
