"""tag, untag, images, history, image exists|tree|prune|inspect, rmi."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import images
import pytest
from engine import Engine
from mirror import Registry
from oci_images import TestImage, entry, tar

NONE = ("run", "--rm", "--network", "none")


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine]) -> Engine:
    """A store with busybox alone."""
    made = fresh("user" if engine.rootless else "root")
    made.ok("pull", "-q", "busybox")
    return made


def names(engine: Engine, *args: str) -> set[str]:
    return set(engine.ok("images", "--format", "{{.Repository}}:{{.Tag}}", *args).split())


def test_tag_and_untag(store: Engine) -> None:
    whole = store.ok("images", "-q", "--no-trunc")
    assert store.run("tag", "busybox", "quay.io:5000/me/app:v1").out == ""
    store.ok("image", "tag", whole[7:19], "app", "other:2")
    assert names(store) == {"busybox:latest", "quay.io:5000/me/app:v1", "app:latest", "other:2"}
    assert store.ok("images", "-q", "--no-trunc") == whole, "one id"
    assert store.ok(*NONE, "app", "echo", "x") == "x"
    store.ok("untag", "app", "app:latest")
    store.ok("image", "untag", "other:2", "other:2")
    assert names(store) == {"busybox:latest", "quay.io:5000/me/app:v1"}
    store.ok("untag", "busybox")
    assert names(store) == {"<none>:<none>"}
    assert store.run("image", "exists", whole).code == 0
    assert "no such image: nosuch" in store.fails("tag", "nosuch", "x")
    assert "lower case" in store.fails("tag", whole, "Upper")
    assert "digest" in store.fails("tag", whole, "x@sha256:" + "0" * 64)
    assert "no such image" in store.fails("untag", "nosuch")


def test_a_name_moves(store: Engine, registry: Registry) -> None:
    store.ok("pull", "-q", registry.push("test/two", images.image(registry.busybox, Labels={})))
    first, second = (store.inspect(n)["Id"] for n in ("busybox", "test/two"))
    store.ok("tag", "busybox", "test/two")
    assert store.inspect("test/two")["Id"] == first
    assert store.ok("images", "-q", "--no-trunc", "-f", "dangling=true") == second


def test_exists(store: Engine) -> None:
    for name, code in (("busybox", 0), ("library/busybox", 0), ("nosuch", 1), ("busybox:2", 1)):
        done = store.run("image", "exists", name)
        assert (done.code, done.out, done.err) == (code, "", ""), name


@pytest.fixture
def several(store: Engine, registry: Registry) -> Engine:
    """busybox, and on top of it old (2001), middle (2011, label) and new (2021)."""
    for year, name in ((2001, "old"), (2011, "middle"), (2021, "new")):
        made = TestImage(
            registry.busybox, tar(entry(name, b"x" * year)), architecture=images.ARCHITECTURE,
            config={"Cmd": ["sh"], "Labels": {"year": str(year), name: ""}},
            created=f"{year}-01-01T00:00:00Z",
            history=[
                {"created": f"{year}-01-01T00:00:00Z", "created_by": "ADD\tbusybox " + "z" * 60},
                {"created": f"{year}-02-01T00:00:00Z", "created_by": "ENV x", "empty_layer": True},
                {"created": f"{year}-03-01T00:00:00Z", "created_by": "ADD f", "comment": "why"},
            ],
        )  # fmt: skip
        store.ok("pull", "-q", registry.push(f"test/{name}", made))
    store.ok("tag", "test/old", "test/old:second")
    return store


def test_image_filters_and_sorting(several: Engine) -> None:
    old, middle, new = "test/old:latest", "test/middle:latest", "test/new:latest"
    both = {old, "test/old:second"}
    for filters, expected in (
        (["before=test/middle"], both),
        (["since=test/middle"], {new, "busybox:latest"}),
        (["after=test/middle", "reference=test/*"], {new}),
        (["until=2011-06-01"], {*both, middle}),
        (["until=1h"], {*both, middle, new, "busybox:latest"}),
        (["label=year=2011"], {middle}),
        (["label=year", "label=new"], {new}),
        (["label!=year"], {"busybox:latest"}),
        (["reference=test/old:second"], {"test/old:second"}),
        (["reference=test/old", "reference=*/new"], {*both, new}),
        (["dangling=true"], set()),
        (["id=" + several.ok("images", "-q", "test/new")], {new}),
        (["containers=true"], set()),
    ):
        options = [word for text in filters for word in ("--filter", text)]
        assert names(several, *options) == expected, filters
    for text in ("nosuch=1", "dangling=maybe", "until=tomorrow", "plain"):
        several.fails("images", "--filter", text)
    assert "no such image: nosuch" in several.fails("images", "-f", "before=nosuch")
    assert len(several.ok("images", "test/old", "-q").split()) == 1

    def column(*args: str) -> list[str]:
        return several.ok("images", "--format", "{{.Repository}}", *args).split()

    assert column()[1:] == ["test/new", "test/middle", "test/old", "test/old"]
    assert column("--sort", "repository")[0] == "busybox"
    assert column("--sort=size")[0] == "busybox" and column("--sort", "size")[-1] == "test/new"
    several.fails("images", "--sort", "beauty")
    assert several.ok("images", "-a", "-n", "busybox").startswith("busybox")
    table = several.ok("images", "--format", "table {{.ID}}\t{{.Tag}}", "test/old:second")
    assert re.fullmatch(r"IMAGE ID +TAG\n[0-9a-f]{12} +second", table)
    row = json.loads(several.ok("images", "--format", "json", "test/new"))
    assert row["CreatedAt"] == "2021-01-01 00:00:00 +0000 UTC" and row["ID"]
    assert several.ok("image", "ls", "-q") == several.ok("images", "-q")


def test_history(several: Engine) -> None:
    heading, top, middle, bottom = several.ok("history", "test/new").split("\n")
    assert heading.split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    image_id = several.ok("images", "-q", "test/new")
    assert re.fullmatch(rf"{image_id}   \d+ years ago   ADD f +2.02kB   +why", top)
    assert middle.startswith("<missing>") and re.search(r"ENV x +0B", middle)
    assert "ADD busybox zzz" in bottom and "…" in bottom and re.search(r"MB\s*$", bottom)
    whole = several.ok("image", "history", "--no-trunc", "-H=false", "test/new").split("\n")
    assert whole[1].startswith("sha256:") and "2021-03-01T00:00:00Z" in whole[1]
    assert "z" * 60 in whole[3] and "2021" in whole[1].split()
    assert several.ok("history", "-q", "test/new").split() == [image_id] + ["<missing>"] * 2
    lines = several.ok("history", "--format", "{{.CreatedBy}}|{{.Comment}}", "test/new")
    assert lines.split("\n")[0] == "ADD f|why"
    rows = [json.loads(x) for x in several.ok("history", "--format=json", "test/new").split("\n")]
    assert rows[1]["Size"] == "0B" and rows[0]["CreatedAt"] == "2021-03-01T00:00:00Z"
    assert several.ok("history", "-q", "busybox") == several.ok("images", "-q", "busybox")
    assert "no such image" in several.fails("history", "nosuch")


def test_tree(several: Engine) -> None:
    lines = several.ok("image", "tree", "test/old").split("\n")
    assert lines[0] == "Image ID: " + several.ok("images", "-q", "test/old")
    assert lines[1] == "Tags:     [test/old:latest test/old:second]"
    assert re.fullmatch(
        r"├──  ID: [0-9a-f]{12} Size: .*MB Top Layer of: \[busybox:latest\]", lines[4]
    )
    assert re.fullmatch(r"└──  ID: [0-9a-f]{12} Size: 2kB Top Layer of: \[.*\]", lines[5])
    above = several.ok("image", "tree", "--whatrequires", "busybox")
    for name in ("old", "middle", "new"):
        assert f"Top Layer of: [test/{name}:latest" in above
    assert len(above.split("\n")) == 7


def test_image_inspect(several: Engine) -> None:
    several.ok("create", "--network", "none", "--name", "test/new".replace("/", "-"), "busybox")
    found = json.loads(several.ok("image", "inspect", "test/old", "busybox"))
    assert [f["RepoTags"][0] for f in found] == ["test/old:latest", "busybox:latest"]
    assert several.ok("image", "inspect", "-f", "{{.Config.Labels.year}}", "test/new") == "2021"
    assert "no such image: test-new" in several.run("image", "inspect", "test-new").err


def test_rmi_by_id_and_all(several: Engine) -> None:
    image_id = several.ok("images", "-q", "test/old")
    message = several.fails("rmi", image_id, code=1)
    assert "test/old:second" in message and "-f" in message
    lines = several.ok("rmi", "--no-prune", "-f", image_id).split("\n")
    assert lines[:2] == ["Untagged: test/old:latest", "Untagged: test/old:second"]
    assert lines[2].startswith(f"Deleted: sha256:{image_id}")
    several.ok("tag", "test/new", "test/new:b")
    assert several.ok("rmi", "test/new:b") == "Untagged: test/new:b"
    assert "no such image" in several.fails("rmi", "nosuch", code=1)
    assert several.ok("rmi", "-i", "nosuch") == ""
    assert "no image given" in several.fails("rmi")
    assert several.run("rmi", "-f", "nosuch") == (0, "", "", b"")
    several.ok("create", "--network", "none", "--name", "c", "test/middle")
    done = several.run("image", "rm", "-a")
    assert done.code == 1 and "uses it" in done.err
    assert names(several) == {"test/middle:latest"}
    several.ok("rm", "c")
    several.ok("rmi", "-a")
    assert several.ok("images", "-q") == ""


def test_rmi_force_removes_stopped_containers(store: Engine) -> None:
    """As podman's; what runs is not killed, and another name's removal touches nothing."""
    store.ok("create", "--network", "none", "--name", "shop", "busybox", "echo", "alive")
    assert "uses it" in store.fails("rmi", "busybox", code=1)
    store.ok("tag", "busybox", "other")
    assert store.ok("rmi", "-f", "other") == "Untagged: other:latest"
    assert store.ok("start", "-a", "shop") == "alive"
    store.detached("--name", "web", "busybox", "sleep", "1000")
    message = store.run("rmi", "-f", "busybox")
    assert message.code == 1 and "running container " in message.err
    assert "uses it (remove the container first, crunpy rm)" in message.err
    assert store.ps("-a") == ["shop", "web"] and store.ok("images", "-q")
    store.ok("kill", "web")
    store.ok("wait", "web")
    store.ok("tag", "busybox", "other")
    done = store.run("rmi", "-f", store.ok("images", "-q"))
    assert done.code == 0 and sorted(done.err.splitlines()) == [
        f"crunpy: container {name}, which used the image, is removed" for name in ("shop", "web")
    ]
    assert [line.partition(":")[0] for line in done.out.splitlines()] == (
        ["Untagged"] * 2 + ["Deleted"] * 2
    )
    assert not store.ps("-a") and not store.ok("images", "-a", "-q")


def test_image_prune(several: Engine) -> None:
    several.ok("create", "--network", "none", "--name", "c", "test/middle")
    several.ok("untag", "test/old")
    asked = several.run("image", "prune", input="n\n")
    assert asked.code == 0 and "dangling images." in asked.out and "[y/N]" in asked.out
    assert len(several.ok("images", "-f", "dangling=true", "-q").split()) == 1
    assert several.run("image", "prune", input="").code == 0
    told = several.run("image", "prune", input="y\n").out
    assert re.search(r"deleted: sha256:[0-9a-f]{64}", told)
    assert re.search(r"Total reclaimed space: [\d.]+kB", told)
    nothing = several.ok("image", "prune", "-f")
    assert nothing == "Total reclaimed space: 0B"
    several.ok("image", "prune", "-a", "-f", "--filter", "until=2010-01-01")
    several.ok("image", "prune", "-a", "-f", "--filter", "label=nosuch")
    assert names(several) == {"busybox:latest", "test/middle:latest", "test/new:latest"}
    several.ok("image", "prune", "-a", "-f", "--filter", "label!=year")
    assert names(several) == {"test/middle:latest", "test/new:latest"}
    several.ok("image", "prune", "-af")
    assert names(several) == {"test/middle:latest"}, "a container uses it"
    several.fails("image", "prune", "-f", "--filter", "until=soon")


def test_image_diff(several: Engine, registry: Registry) -> None:
    assert several.ok("image", "diff", "test/old") == "A /old"
    both = several.ok("image", "diff", "test/new", "test/old").split("\n")
    assert both == ["A /new", "D /old"]
    assert several.ok("image", "diff", "busybox", "busybox") == ""
    all_of_it = several.ok("image", "diff", "busybox").split("\n")
    assert "A /bin/busybox" in all_of_it and all(line.startswith("A ") for line in all_of_it)
    top = tar(entry("etc/passwd", b"changed"), entry("bin/.wh.cat"), entry("a/b/c", b""))
    name = registry.push("test/changed", images.image(registry.busybox, top))
    several.ok("pull", "-q", name)
    expected = ["A /a", "A /a/b", "A /a/b/c", "C /bin", "D /bin/cat", "C /etc", "C /etc/passwd"]
    lines = several.ok("image", "diff", name).split("\n")
    assert [line for line in lines if line not in ("C /bin", "C /etc")] == [
        line for line in expected if line not in ("C /bin", "C /etc")]  # fmt: skip
    found = json.loads(several.ok("image", "diff", "--format", "json", name))
    assert found["deleted"] == ["/bin/cat"] and "/etc/passwd" in found["changed"]
    several.fails("image", "diff", "--format", "yaml", name)


@pytest.mark.parametrize("engine", ["root"], indirect=True)
def test_image_mount(several: Engine) -> None:
    path = Path(several.ok("image", "mount", "test/new"))
    try:
        assert (path / "new").read_bytes() == b"x" * 2021 and (path / "bin/busybox").exists()
        with pytest.raises(OSError, match="Read-only"):
            (path / "other").write_text("x")
        assert several.ok("image", "mount", "test/new") == str(path)
        one = Path(several.ok("image", "mount", "busybox"))
        assert (one / "bin/busybox").exists()
        with pytest.raises(OSError, match="Read-only"):
            (one / "other").write_text("x")
        lines = set(several.ok("image", "mount").split("\n"))
        assert lines == {f"test/new:latest {path}", f"busybox:latest {one}"}
        assert len(json.loads(several.ok("image", "mount", "--format=json"))) == 2
        assert "image unmount" in several.fails("rmi", "test/new", code=1)
        image_id = several.ok("images", "-q", "--no-trunc", "test/new")[7:]
        assert several.ok("image", "unmount", "test/new") == image_id
        assert "not mounted" in several.fails("image", "unmount", "test/new")
    finally:
        several.ok("image", "unmount", "-a", "-f")
    assert several.ok("image", "mount") == "" and several.ok("rmi", "test/new")


def test_a_user_mounts_in_a_namespace(user: Engine) -> None:
    assert "crunpy unshare" in user.fails("image", "mount", "busybox")
    program = user.command()
    main = " ".join(program[program.index("-i") + 1 :])
    shown = user.ok("unshare", "sh", "-c", f"ls $(env {main} image mount busybox)/bin/busybox")
    assert shown.endswith("/bin/busybox")


def test_events(store: Engine) -> None:
    image_id = store.inspect("busybox")["Id"]
    store.ok("tag", "busybox", "ev:1")
    store.ok("save", "-q", "-o", store.home / "x.tar", "ev:1")
    store.ok("untag", "ev:1", "ev:1")
    store.ok("rmi", "busybox")
    store.ok("load", "-q", "-i", store.home / "x.tar")
    span = ("--since", "10m", "--until", "0s")
    told = store.ok("events", "--filter", "type=image", "--format", "json", *span)
    found = [json.loads(line) for line in told.split("\n")]
    actions = [(e.get("Action") or e["status"], e["Actor"]["Attributes"]["name"]) for e in found]
    assert actions == [
        ("pull", "busybox:latest"), ("tag", "ev:1"), ("save", "ev:1"), ("untag", "ev:1"),
        ("untag", "busybox:latest"), ("delete", ""), ("load", "ev:1"),
    ]  # fmt: skip
    assert {e["Actor"]["ID"] for e in found} == {image_id}


def test_filters_that_only_podman_has(several: Engine) -> None:
    everything = several.ok("images", "-q")
    assert several.ok("images", "-q", "-f", "readonly=false") == everything
    assert several.ok("images", "-q", "-f", "readonly=true") == ""
    before = {name: several.inspect(f"test/{name}")["Id"][7:19] for name in ("old", "middle")}
    several.ok("untag", "test/middle")
    assert several.ok("images", "-q", "-f", "intermediate=true") == before["middle"]
    several.ok("untag", "test/old")
    assert before["middle"] in several.ok("images", "-q", "-f", "intermediate=true")
    assert before["middle"] not in several.ok("images", "-q", "-f", "intermediate=false")


def test_fields_by_podmans_names(store: Engine, registry: Registry) -> None:
    name = registry.push("test/fields", images.image(registry.busybox, Labels={"a": "b"}))
    store.ok("rmi", "-a")
    store.ok("pull", "-q", name)
    image_id = store.inspect(name)["Id"][7:]

    def rows(fields: str, *command: str) -> list[str]:
        form = "|".join("{{." + field + "}}" for field in fields.split())
        return store.ok(*command, "--format", form).splitlines()

    (row,) = rows("Id Names RepoTags History Labels ParentId ReadOnly Dangling", "images")
    full = f"{name}:latest"
    assert row == f"{image_id}|[{full}]|[{full}]|{full}|map[a:b]||false|false"
    (row,) = rows("Created CreatedTime RepoDigests", "images")
    digest = store.inspect(name)["Digest"]
    shown = store.ok("images", "--history").splitlines()
    assert shown[0].endswith("HISTORY") and shown[1].endswith(full)
    assert row.endswith(f" ago|2026-01-02 03:04:05 +0000 UTC|[{name}@{digest}]")
    layout = store.home / "noted"
    store.ok("save", "--format", "docker-dir", "-o", layout, name)
    manifest = json.loads((layout / "manifest.json").read_text())
    (layout / "manifest.json").write_text(json.dumps({**manifest, "annotations": {"c": "d"}}))
    told = ("-f", "{{.Annotations}}{{.NamesHistory}}{{.Version}}")
    assert store.ok("inspect", *told, name) == f"map[][{full}]"
    assert store.ok("inspect", *told, f"dir:{layout}") == "map[c:d][]"
    assert rows("Tags Created ID", "history", name) == [f"[{full}]|N/A|{image_id[:12]}"]
    assert rows("Type Total", "system", "df")[0] == "Images|1"
    found = f"{store.registry}/{name}"
    assert rows("Name Stars Official Automated Tag", "search", found) == [f"{found}|0|||"]
    facts = "Host.CgroupManager Host.Distribution.Distribution Store.GraphRootUsed Plugins.Volume"
    told = rows(f"{facts} Host.Security.SECCOMPEnabled Version.OsArch", "info")[0].split("|")
    assert told[0] == "cgroupfs" and told[1] and int(told[2]) > 0
    assert told[3:5] == ["[local]", "true"] and told[5].startswith("linux/")
