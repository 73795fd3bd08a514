"""Figures as ratios within one run: `make bench` writes build/bench.json; nothing here is a timed test."""
