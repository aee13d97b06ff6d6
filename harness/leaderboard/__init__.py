"""Puts runs into tables whose rows are all comparable; ``report/leaderboard.py`` renders them."""
