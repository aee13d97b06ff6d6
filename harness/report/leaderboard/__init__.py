"""Renders a leaderboard as HTML, Markdown, CSV and JSON."""
