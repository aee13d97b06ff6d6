"""A job for running a stage function by itself, in a test's own folder: the public one."""

from __future__ import annotations

from harness.testing import FolderJob

__all__ = ["FolderJob"]
