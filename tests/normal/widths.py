"""Full-width writing, made here because a lookalike in a test's text would be taken for a slip."""

_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def wide(text: str) -> str:
    """Writes the letters, digits and signs of a text in full width."""
    return text.translate(_WIDE)
