"""Unit files and words as systemd reads them, and which files count."""

from __future__ import annotations

from pathlib import Path

import pytest

from crun_py.errors import InvalidArgument
from crun_py.quadlet import generate, sources, words
from crun_py.quadlet.unit_file import UnitFile


@pytest.mark.parametrize(
    "text,found",
    [
        ("", []), ("  a  b ", ["a", "b"]), ("'a b' \"c d\"", ["a b", "c d"]),
        ("a'b c'd", ["ab cd"]), ("''", [""]), (r"a\ b", None), (r"a\sb", ["a b"]),
        (r"\x41\n\"", ['A\n"']), ("\"it's\"", ["it's"]), (r"\u00e9", ["é"]), ("'x", None),
        ("\\", None), (r"\x4", None), ("%n $A ${B}", ["%n", "$A", "${B}"]),
    ],
)  # fmt: skip
def test_words(text: str, found: list[str] | None) -> None:
    if found is None:
        with pytest.raises(InvalidArgument):
            words.split(text)
        return
    assert words.split(text) == found
    assert words.split(words.line(found)) == found


def test_unit_files() -> None:
    unit = UnitFile()
    unit.read("# c\n; c\n\n[A]\nk = 1 \\\n# no\n 2\nk=3\nempty=\n\n[B]\nx=a=b\n[A]\nk=4\\")
    assert unit.all("A", "k") == ["1  2", "3", "4"] and unit.last("B", "x") == "a=b"
    assert unit.last("A", "empty") == "" and unit.has("A", "empty") and not unit.has("B", "k")
    unit.read("[A]\nk=\nk=5\n")
    assert unit.all("A", "k") == ["5"]
    again = UnitFile()
    again.read(unit.text())
    assert again.sections == unit.sections
    for bad in ("x=1", "[A]\njust words", "[A", "[]\n", "[A]\n=1"):
        with pytest.raises(InvalidArgument, match="line "):
            UnitFile().read(bad)


def put(top: Path, name: str, text: str = "[Container]\nImage=i\n") -> None:
    path = top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_which_files_count(tmp_path: Path) -> None:
    first, second = tmp_path / "run", tmp_path / "etc"
    put(first, "a.container", "[Container]\nImage=first\n")
    put(second, "a.container", "[Container]\nImage=second\n")
    put(second, "deep/er/b.volume", "[Volume]\n")
    put(second, "users/c.container")
    put(second, "readme.txt")
    put(second, ".container")
    (second / "deep/circle").symlink_to(second)
    (second / "linked.container").symlink_to(first / "a.container")
    where = [str(first), str(second), str(tmp_path / "nowhere")]
    found = sources.files(where, user=False)
    assert sorted(found) == ["a.container", "b.volume", "linked.container"]
    assert found["a.container"] == f"{first}/a.container"


def test_users_files(tmp_path: Path) -> None:
    users = tmp_path / "users"
    put(users, "all.container")
    put(users, "7/mine.container")
    put(users, "8/other.container")
    assert set(sources.files([str(users)], user=True)) == {"all.container"}
    assert set(sources.files([f"{users}/7", str(users)], user=True)) == {
        "all.container", "mine.container"}  # fmt: skip
    assert sources.user_directories(7, "/run/user/7", "/h/.config") == [
        "/run/user/7/containers/systemd", "/h/.config/containers/systemd",
        "/etc/containers/systemd/users/7", "/etc/containers/systemd/users"]  # fmt: skip


def test_drop_ins(tmp_path: Path) -> None:
    """Of several of one name the most particular one, all in the order of their names."""
    put(tmp_path, "a-b@1.container", "[Container]\nImage=i\nLabel=main\n")
    for place in ("container.d", "a-.container.d", "a-b@.container.d", "a-b@1.container.d"):
        put(tmp_path, f"{place}/50-same.conf", f"[Container]\nLabel={place}\n")
    put(tmp_path, "container.d/60-late.conf", "[Container]\nImage=late\n[Service]\nRestart=no\n")
    put(tmp_path, "a-.container.d/10-early.conf", "[Container]\nLabel=early\n")
    put(tmp_path, "container.d/not", "nonsense")
    made = sources.load(str(tmp_path / "a-b@1.container"), [str(tmp_path)])
    assert made.unit.all("Container", "Label") == ["main", "early", "a-b@1.container.d"]
    assert made.unit.last("Container", "Image") == "late"
    assert made.unit.last("Service", "Restart") == "no"


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    put(tmp_path, "a.container")
    put(tmp_path, "b.container", "[Container]\nTypo=1\n")
    put(tmp_path, "c.container", "nonsense")
    put(tmp_path, "d.container", "[Container]\nImage=i\nServiceName=a\n")
    found = generate.generate([str(tmp_path)], ["crunpy"], user=False)
    assert [service.name for service in found.services] == ["a.service"]
    said = sorted(error.message for error in found.errors)
    assert len(said) == 3 and "Typo" in said[0] and "line 1" in said[1] and "a.service" in said[2]


def test_writing(tmp_path: Path) -> None:
    put(tmp_path / "in", "a.container", "[Container]\nImage=i\n[Install]\nAlias=b.service\n"
        "WantedBy=x.target y.target\n")  # fmt: skip
    out = tmp_path / "out"
    found = generate.generate([str(tmp_path / "in")], ["crunpy"], user=False)
    generate.write(found.services, str(out))
    for link in ("b.service", "x.target.wants/a.service", "y.target.wants/a.service"):
        assert (out / link).is_symlink() and (out / link).resolve() == (out / "a.service")
    assert (out / "a.service").read_text().startswith("# ")
    with pytest.raises(InvalidArgument):
        generate.write(found.services, str(out))
