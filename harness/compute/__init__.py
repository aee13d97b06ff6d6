"""What stages share on a device: exact arithmetic, measuring, resuming, weights, influence rows."""
