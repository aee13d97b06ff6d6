"""Drawings of a report: pure functions from figures to SVG that needs no script, follows the page's colours, and
has its table beside it.

A chart is as wide as its place: horizontal positions are percentages, vertical ones pixels, so that text keeps
its size on a phone.
"""
