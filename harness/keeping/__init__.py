"""Looking after a store: what is needed, what can go, what is damaged, what takes the space."""
