"""Pipelines as files: what is read, checked, merged and written."""
