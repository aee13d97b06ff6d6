"""What runs: plans, keys and protocols of tasks, their execution, and the record of it.

May import everything below it; it knows stages only through their signatures.
"""
