"""Generated images on their way to being a data set: filtered, packed as the hub has it, joined with real ones.

What a filter takes out is kept, with the rule and the value that took it out. A data set is what
``datasets.load_dataset`` reads; ``harness publish`` uploads one, when a person asks for it.
"""

from harness.stages.data.synthetic.filtering import filter
from harness.stages.data.synthetic.joining import join
from harness.stages.data.synthetic.packing import dataset, read

__all__ = ["dataset", "filter", "join", "read"]
