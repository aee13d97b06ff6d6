"""Runs as rows of tables in which everything is comparable; ``report/leaderboard`` renders them."""
