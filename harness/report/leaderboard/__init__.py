"""A leaderboard on paper: HTML, Markdown, CSV and JSON of one board."""
