"""Puts runs into tables whose rows are all comparable; ``report/leaderboard.py`` and ``report/html/leaderboard.py`` render them."""
