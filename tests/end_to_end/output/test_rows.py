"""Command lines of docker's and podman's documents, each with what its reader expects to see."""

from __future__ import annotations

from pathlib import Path

from engine import Engine, wait_for

NONE = ("--network", "none")


def test_an_anonymous_volume_goes_with_the_last_that_has_it(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "a", "-v", "/data", "busybox")
    engine.ok("create", *NONE, "--name", "b", "--volumes-from", "a", "busybox")
    engine.ok("run", "--rm", *NONE, "--volumes-from", "a", "busybox", "touch", "/data/f")
    engine.ok("rm", "-v", "a")
    assert len(engine.volumes()) == 1
    assert engine.ok("run", "--rm", *NONE, "--volumes-from", "b", "busybox", "ls", "/data") == "f"
    engine.ok("rm", "-v", "b")
    assert engine.volumes() == []


def test_an_image_that_is_mounted_is_in_use(engine: Engine) -> None:
    engine.ok("import", "-", "tools", input=bytes(10240))
    engine.ok("create", *NONE, "--name", "c", "--mount", "type=image,src=tools,dst=/t", "busybox")
    assert "container" in engine.fails("rmi", "tools", code=1)
    engine.ok("image", "prune", "-a", "-f")
    assert engine.run("image", "exists", "tools").code == 0
    engine.ok("rm", "c")
    engine.ok("rmi", "tools")


def test_filter_by_isolation(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "c", "busybox")
    assert engine.ps("-a", "--filter", "isolation=default") == ["c"]
    assert engine.ps("-a", "--filter", "isolation=hyperv") == []


def test_info_counts_containers_that_wait_to_be_restarted(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "i", "busybox")
    engine.ok("init", "i")
    engine.detached("--name", "r", "--restart", "always", "busybox", "false")
    look = "{{.State.Status}} {{.RestartCount}}"  # by then it waits for more than a second
    wait_for(lambda: engine.ok("inspect", "-f", look, "r") == "restarting 4")
    assert engine.ok("info", "-f", "{{.Containers}} {{.ContainersStopped}}") == "2 2"


def test_info_has_dockers_names(engine: Engine) -> None:
    names = (
        "{{.CgroupDriver}} {{.DefaultRuntime}} {{range $k, $v := .Runtimes}}{{$k}}{{end}} "
        "{{.Swarm.LocalNodeState}} {{(index .DriverStatus 0)}}"
    )
    found = engine.ok("info", "--format", names)
    assert found.startswith("cgroupfs crunpy crunpy inactive [Backing Filesystem ")


def test_what_to_do_about_a_paused_container(root: Engine) -> None:
    root.detached("--name", "c", "busybox", "sleep", "1000")
    root.ok("pause", "c")
    assert "crunpy unpause c" in root.fails("exec", "c", "true")
    assert root.fails("attach", "c").startswith("attaching to container c: it is paused")
    root.ok("unpause", "c")


def test_a_frequent_health_check_is_so_from_the_beginning(engine: Engine) -> None:
    check = ("--health-cmd", "true", "--health-interval", "300ms", "--health-start-period", "60s")
    engine.detached("--name", "c", *check, "busybox", "sleep", "1000")
    wait_for(lambda: engine.state("c")["Health"]["Status"] == "healthy", timeout_s=4)


def test_help_is_a_word_too(root: Engine) -> None:
    assert "Usage: crunpy run [OPTIONS]" in root.ok("help", "run")
    assert root.ok("help") == root.ok("--help")


def test_templates_escape_html(root: Engine) -> None:
    root.ok("create", *NONE, "--name", "c", "--label", "a=<b>", "busybox")
    assert root.ok("inspect", "-f", "{{.Config.Labels.a | html}}", "c") == "&lt;b&gt;"


def test_other_engines_general_options(root: Engine) -> None:
    root.ok("create", *NONE, "--name", "c", "busybox")
    for words in (
        "-c default", "--context=default", "--connection default", "-l error", "-D",
        "--log-level=debug", "--cgroup-manager cgroupfs --runtime runc", "--storage-driver overlay",
    ):  # fmt: skip
        assert root.ok(*words.split(), "ps", "-a", "--format", "{{.Names}}") == "c"
    assert "Usage: crunpy ps" in root.ok("-l", "error", "ps", "--help")
    for words in ("-H tcp://127.0.0.1:1", "--url=unix:///run/x.sock"):
        assert "is a service running there?" in root.fails(*words.split(), "ps")
    assert "does not exist" in root.fails("--context", "far", "ps")
    assert "--config DIR" in root.ok("--help")


def test_config_names_the_directory_of_logins(root: Engine, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{ broken")
    message = root.fails("--config", tmp_path, "pull", "-q", "busybox")
    assert f"{tmp_path}/config.json: not valid JSON" in message


def test_fields_that_an_image_says_nothing_of(root: Engine) -> None:
    look = "{{.Config.User}}|{{.Config.Entrypoint}}|{{len .Config.ExposedPorts}}|{{.Config.Cmd}}"
    assert root.ok("image", "inspect", "-f", look, "busybox") == "|[]|0|[sh]"
    root.ok("create", *NONE, "--name", "c", "busybox")
    assert root.ok("inspect", "-f", "<{{.HostConfig.Isolation}}>", "c") == "<>"


def test_an_entry_point_of_several_words(engine: Engine) -> None:
    words = ("--entrypoint", '["echo", "a b"]', "busybox", "c")
    assert engine.ok("run", "--rm", *NONE, *words) == "a b c"
    assert engine.ok("run", "--rm", *NONE, "--entrypoint=/bin/[", "busybox", "1", "]") == ""
