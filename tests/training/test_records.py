"""Files of records are read as one, and no row is counted twice or lost."""

from pathlib import Path

import pytest

from training.tasks.records import read_rows


@pytest.mark.parametrize("is_plain_first", [False, True])
def test_rows_that_one_file_tells_apart_stay_apart_beside_another_file(tmp_path: Path, is_plain_first: bool) -> None:
    """Two penalties of one day differ by their numbers; a file without numbers beside it takes none away."""
    numbered, plain = tmp_path / "numbered.csv", tmp_path / "plain.csv"
    numbered.write_text("firm,day,number\na,1,1\na,1,2\na,1,2\na,2,3\n")
    plain.write_text("day,firm\n1,a\n2,a\n2,b\n")
    files = [plain, numbered] if is_plain_first else [numbered, plain]
    assert len(read_rows([numbered], ("firm", "day"))) == 3
    found = sorted((row["firm"], row["day"]) for row in read_rows(files, ("firm", "day")))
    assert found == [("a", "1"), ("a", "1"), ("a", "2"), ("b", "2")]
