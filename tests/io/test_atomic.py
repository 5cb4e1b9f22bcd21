import pytest

from qsmkit.errors import OutputError
from qsmkit.io.atomic import replacing, replacing_folder, write_text


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


def ours(path):
    return path.suffix == ".dcm"


def test_a_folder_is_complete_or_not_there(tmp_path):
    out = tmp_path / "made" / "out"
    with pytest.raises(ValueError, match="stop"), replacing_folder(out, ours) as scratch:  # noqa: PT012
        (scratch / "a.dcm").write_text("half")
        raise ValueError("stop")
    assert list(tmp_path.rglob("*.dcm")) == []
    with replacing_folder(out, ours) as scratch:
        (scratch / "a.dcm").write_text("whole")
    with pytest.raises(ValueError, match="stop"), replacing_folder(out, ours, overwrite=True):
        raise ValueError("stop")
    assert [p.read_text() for p in out.iterdir()] == ["whole"]
    with replacing_folder(out, ours, overwrite=True) as scratch:
        (scratch / "b.dcm").write_text("new")
    assert [p.name for p in out.iterdir()] == ["b.dcm"]
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "home" / "letters").mkdir(parents=True)
    (tmp_path / "home" / "letters" / "dear.txt").write_text("you")
    with pytest.raises(OutputError, match=r"dear.txt, which is not ours"), replacing_folder(
        tmp_path / "home", ours, overwrite=True
    ):
        pass
    with pytest.raises(OutputError, match="is a file, not a folder"), replacing_folder(
        tmp_path / "home" / "letters" / "dear.txt", ours, overwrite=True
    ):
        pass
    assert (tmp_path / "home" / "letters" / "dear.txt").read_text() == "you"
