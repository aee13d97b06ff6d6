"""What every stage that computes with torch shares: exact arithmetic, running out of memory, going on after a kill."""
