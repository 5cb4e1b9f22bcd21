import pytest

from qsmkit.errors import OutputError
from qsmkit.io.atomic import replacing, write_text


def test_file_appears_at_the_end_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "x.txt"
    with replacing(path) as scratch:
        scratch.write_text("new")
        assert not path.exists()
        assert scratch.parent == path.parent
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_leaves_all_as_it_was(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="killed"), replacing(path, overwrite=True) as scratch:  # noqa: PT012
        scratch.write_text("half")
        raise RuntimeError("killed")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_existing_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(OutputError, match="there already"):
        write_text(path, "new")
    assert path.read_text() == "old"
    write_text(path, "new", overwrite=True)
    assert path.read_text() == "new"


def test_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/x\.txt cannot be written"):
        write_text(tmp_path / "file" / "x.txt", "")
