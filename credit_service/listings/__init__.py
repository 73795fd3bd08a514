"""The listings room: one subject's standing on one list and its moves; rules open candidates, people decide."""
