"""Remedies 异议 and 信用修复: what an enterprise may ask for against a record or a listing, and what follows."""
