"""The rulebook: the law as dated data, and pure functions that apply it to a subject's facts."""
