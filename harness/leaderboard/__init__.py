"""Puts runs into tables whose rows are all comparable; ``report/leaderboard`` renders them."""
