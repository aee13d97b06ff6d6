"""Runs suites: plans, keys and protocols of tasks, their execution, and the record of a run.

May import every package below it. It knows stages only through their signatures.
"""
