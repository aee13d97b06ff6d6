"""For tests of stages and metrics in any package: a job, small inputs, the proof that each parameter has an effect.

    from harness.testing import FolderJob, check_parameters, image_folder

Nothing here needs a test framework, and ``import harness`` does not import it. ``docs/testing.md`` has examples.
"""

from __future__ import annotations

from harness.testing.inputs import image_folder, picture, source
from harness.testing.jobs import FolderJob
from harness.testing.parameters import Changed, check_parameters
from harness.testing.results import content

__all__ = ["Changed", "FolderJob", "check_parameters", "content", "image_folder", "picture", "source"]
