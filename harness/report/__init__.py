"""Renders a run and its comparison: terminal, Markdown, JUnit, annotations, HTML. Decides nothing."""
