"""The simulated city: subjects, events and planted cases from a seed; nothing in it is real."""
