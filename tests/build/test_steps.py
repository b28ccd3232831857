"""Typed steps, before and after their variables are known (Dockerfile reference)."""

from __future__ import annotations

from typing import Any

import pytest

from crun_py.build.errors import DockerfileError
from crun_py.build.heredoc import Heredoc
from crun_py.build.mounts import Mount, mount
from crun_py.build.steps import Copy, Healthcheck, Onbuild, Run, Step, expanded, step, triggers
from crun_py.build.syntax import parse
from crun_py.errors import InvalidArgument
from crun_py.options.expand import Names


def one(text: str, head: str = "") -> Step:
    dockerfile = parse(f"{head}FROM a\n{text}\n", "Dockerfile")
    return step(dockerfile.instructions[1], dockerfile.source)


def fields(made: Step, expected: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(made, name) for name in expected}


STEPS: list[tuple[str, str, dict[str, Any]]] = [
    ("FROM x", "From", {"image": "x", "alias": "", "platform": ""}),
    ("FROM x AS y", "From", {"image": "x", "alias": "y"}),
    ("from x as Build-1.2_b", "From", {"image": "x", "alias": "build-1.2_b"}),
    ("FROM --platform=$BUILDPLATFORM x:1@sha256:0", "From",
     {"image": "x:1@sha256:0", "platform": "$BUILDPLATFORM"}),
    ("ARG a", "Arg", {"pairs": (("a", None),)}),
    ("ARG a=", "Arg", {"pairs": (("a", ""),)}),
    ("ARG a=1 b c=\"x y\"", "Arg", {"pairs": (("a", "1"), ("b", None), ("c", '"x y"'))}),
    ("ARG a=b=c", "Arg", {"pairs": (("a", "b=c"),)}),
    ("ENV a=1", "Env", {"pairs": (("a", "1"),), "legacy": False}),
    ("ENV a=1 b='2 3' c=4\\ 5", "Env", {"pairs": (("a", "1"), ("b", "'2 3'"), ("c", "4\\ 5"))}),
    ("ENV a 1 2", "Env", {"pairs": (("a", "1 2"),), "legacy": True}),
    ("ENV a b=c", "Env", {"pairs": (("a", "b=c"),), "legacy": True}),
    ("ENV a=", "Env", {"pairs": (("a", ""),)}),
    ("ENV a=1 \\\n b=2", "Env", {"pairs": (("a", "1"), ("b", "2"))}),
    ('LABEL "a b"="c"', "Label", {"pairs": (('"a b"', '"c"'),), "legacy": False}),
    ("LABEL a b", "Label", {"pairs": (("a", "b"),), "legacy": True}),
    ("RUN a && b", "Run", {"command": "a && b", "shell": True, "network": "default",
                           "security": "sandbox", "mounts": (), "heredocs": ()}),
    ('RUN ["a", "b c"]', "Run", {"command": ("a", "b c"), "shell": False}),
    ("RUN --network=none a", "Run", {"command": "a", "network": "none"}),
    ("RUN --network=host a", "Run", {"network": "host"}),
    ("RUN --security=insecure a", "Run", {"security": "insecure"}),
    ("RUN <<E\nx\nE", "Run", {"command": "<<E", "heredocs": (Heredoc(name="E", text="x\n"),)}),
    ("RUN --mount=type=tmpfs,target=/t a", "Run",
     {"mounts": (Mount(type="tmpfs", target="/t", text="type=tmpfs,target=/t"),)}),
    ("COPY a b /c/", "Copy", {"sources": ("a", "b"), "destination": "/c/", "add": False,
                             "from_": "", "link": False, "parents": False, "unpack": None}),
    ('COPY ["a b", "/c d"]', "Copy", {"sources": ("a b",), "destination": "/c d"}),
    ("COPY --from=x --chown=a:b --chmod=755 --link --parents --exclude=q --exclude=r a /", "Copy",
     {"from_": "x", "chown": "a:b", "chmod": "755", "link": True, "parents": True,
      "exclude": ("q", "r")}),
    ("COPY --link=false a b", "Copy", {"link": False}),
    ("COPY --from=0 a b", "Copy", {"from_": "0"}),
    ("COPY <<a x <<'b' /\n1\na\n$2\nb", "Copy",
     {"sources": ("x",), "destination": "/",
      "heredocs": (Heredoc(name="a", text="1\n"), Heredoc(name="b", text="$2\n", expand=False))}),
    ("ADD https://x/y /z", "Copy", {"add": True, "sources": ("https://x/y",), "destination": "/z"}),
    ("ADD --checksum=sha256:1 --keep-git-dir --unpack a b", "Copy",
     {"checksum": "sha256:1", "keep_git_dir": True, "unpack": True, "add": True}),
    ("ADD --unpack=false --keep-git-dir=false a b", "Copy",
     {"unpack": False, "keep_git_dir": False}),
    ("CMD a b", "Cmd", {"command": "a b", "shell": True}),
    ('CMD ["a", "b"]', "Cmd", {"command": ("a", "b"), "shell": False}),
    ("CMD []", "Cmd", {"command": (), "shell": False}),
    ("CMD", "Cmd", {"command": "", "shell": True}),
    ("ENTRYPOINT a", "Entrypoint", {"command": "a", "shell": True}),
    ('ENTRYPOINT ["a"]', "Entrypoint", {"command": ("a",), "shell": False}),
    ("ENTRYPOINT []", "Entrypoint", {"command": (), "shell": False}),
    ("EXPOSE 80 443/udp", "Expose", {"ports": ("80", "443/udp")}),
    ("VOLUME /a /b", "Volume", {"paths": ("/a", "/b")}),
    ('VOLUME ["/a b"]', "Volume", {"paths": ("/a b",)}),
    ("USER a:b", "User", {"user": "a:b"}),
    ("WORKDIR /a b", "Workdir", {"path": "/a b"}),
    ("ONBUILD RUN x --y", "Onbuild", {"trigger": "RUN x --y"}),
    ("ONBUILD COPY --from=x a b", "Onbuild", {"trigger": "COPY --from=x a b"}),
    ("ONBUILD RUN <<E\nx\nE", "Onbuild", {"trigger": "RUN <<E\nx\nE"}),
    ("STOPSIGNAL SIGINT", "StopSignal", {"signal": "SIGINT"}),
    ("STOPSIGNAL 9", "StopSignal", {"signal": "9"}),
    ("HEALTHCHECK NONE", "Healthcheck", {"test": ("NONE",), "options": ()}),
    ("HEALTHCHECK none", "Healthcheck", {"test": ("NONE",)}),
    ("HEALTHCHECK CMD a b", "Healthcheck", {"test": ("CMD-SHELL", "a b")}),
    ("HEALTHCHECK cmd a", "Healthcheck", {"test": ("CMD-SHELL", "a")}),
    ('HEALTHCHECK CMD ["a", "b"]', "Healthcheck", {"test": ("CMD", "a", "b")}),
    ("HEALTHCHECK --interval=1m --timeout=3s --start-period=500ms --start-interval=2s "
     "--retries=4 CMD a", "Healthcheck",
     {"options": (("Interval", 60 * 10**9), ("Timeout", 3 * 10**9), ("StartPeriod", 5 * 10**8),
                  ("StartInterval", 2 * 10**9), ("Retries", 4))}),
    ('SHELL ["/bin/bash", "-c"]', "Shell", {"words": ("/bin/bash", "-c")}),
    ("MAINTAINER Jane <j@x>", "Maintainer", {"name": "Jane <j@x>"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "expected"), STEPS)
def test_steps(text: str, kind: str, expected: dict[str, Any]) -> None:
    made = one(text)
    assert type(made).__name__ == kind
    assert fields(made, expected) == expected
    assert made.line == 2


TEXTS = [
    ("RUN a", "RUN a"), ("run   a  b ", "RUN a  b"), ("RUN a \\\n  b", "RUN a   b"),
    ("copy --from=x a b", "COPY --from=x a b"), ("ENV  a=b", "ENV a=b"), ("CMD", "CMD"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_text_for_history(text: str, shown: str) -> None:
    assert one(text).text == shown


@pytest.mark.parametrize(
    ("text", "script", "shell_text"),
    [
        ("RUN a", None, "a"),
        ("RUN <<E\na\nb\nE", "a\nb\n", "a\nb\n"),
        ("RUN <<-E\n\ta\n\tE", "a\n", "a\n"),
        ("RUN <<'E'\n#!/bin/x\nE", "#!/bin/x\n", "#!/bin/x\n"),
        ("RUN cat <<E\na\nE", None, "cat <<E\na\nE"),
        ("RUN <<E cat\na\nE", None, "<<E cat\na\nE"),
        ("RUN cat <<A - <<-B\n1\nA\n\t2\n\tB", None, "cat <<A - <<-B\n1\nA\n\t2\nB"),
        ('RUN ["a"]', None, ""),
    ],
)
def test_what_the_shell_gets(text: str, script: str | None, shell_text: str) -> None:
    made = one(text)
    assert isinstance(made, Run)
    assert (made.script, made.shell_text) == (script, shell_text)


def test_the_config_of_a_health_check() -> None:
    made = one("HEALTHCHECK --retries=2 CMD x")
    assert isinstance(made, Healthcheck)
    assert made.config == {"Test": ["CMD-SHELL", "x"], "Retries": 2}


WRONG = [
    ("FROM a b", "FROM: takes one or three arguments", "FROM image AS name"),
    ("FROM", "FROM: takes one or three", ""),
    ("FROM a // b", "FROM: takes one or three", "// begins no comment"),
    ("FROM a # b", "FROM: takes one or three", "# begins no comment"),
    ("FROM a is b", "FROM: takes one or three", ""),
    ("FROM a AS 1b", "1b cannot name a stage", "a letter"),
    ("FROM a AS b/c", "b/c cannot name a stage", ""),
    ("FROM a AS é", "é cannot name a stage", ""),
    ("ARG", "ARG: it needs a name", ""),
    ("ARG =1", "ARG: a name is missing", ""),
    ("ENV", "ENV: it needs a name and a value", ""),
    ("ENV a", "ENV: it needs a name and a value", ""),
    ("ENV a=1 b", "'b' is not KEY=VALUE", ""),
    ("ENV =1", "is not KEY=VALUE", ""),
    ("LABEL a", "LABEL: it needs", ""),
    ("RUN []", "RUN: it needs a command", ""),
    ("RUN --network=bridge x", "--network=bridge is not known", "default, host, none"),
    ("RUN --network=hst x", "--network=hst is not known", "did you mean host?"),
    ("RUN --security=none x", "--security=none is not known", ""),
    ("RUN --mount=type=bnd,target=/a x", "type bnd is not known", "did you mean bind?"),
    ("RUN --mount=type=cache,traget=/a x", "key traget is not known", "did you mean target?"),
    ("COPY a", "COPY: it needs sources and a destination", "COPY source… destination"),
    ("ADD a", "ADD: it needs sources", ""),
    ("COPY", "COPY: it needs", ""),
    ("COPY --from=$x a b", "--from cannot hold a variable", "FROM"),
    ("COPY a <<E\nE", "cannot be the destination", ""),
    ("EXPOSE", "EXPOSE: it needs a port", ""),
    ("EXPOSE x", "'x' is not PORT", ""),
    ("EXPOSE 0", "not a port", ""),
    ("EXPOSE 70000", "not a port", ""),
    ("EXPOSE 90-80", "not a port", ""),
    ("EXPOSE 80/foo", "protocol foo is not known", "tcp"),
    ("VOLUME", "VOLUME: it needs a path", ""),
    ("VOLUME []", "VOLUME: it needs a path", ""),
    ('VOLUME ["a", ""]', "VOLUME: a path is empty", ""),
    ("USER", "USER: it needs a user", ""),
    ("WORKDIR", "WORKDIR: it needs a path", ""),
    ("ONBUILD", "ONBUILD: it needs an instruction", ""),
    ("ONBUILD ENV", "ENV: it needs", ""),
    ("STOPSIGNAL", "STOPSIGNAL: it needs a signal", ""),
    ("STOPSIGNAL NOSUCH", "signal 'NOSUCH': not known", ""),
    ("HEALTHCHECK", "CMD and a command, or NONE", ""),
    ("HEALTHCHECK CMD", "CMD and a command, or NONE", ""),
    ("HEALTHCHECK NONE x", "CMD and a command, or NONE", ""),
    ("HEALTHCHECK x", "CMD and a command, or NONE", ""),
    ("HEALTHCHECK --interval=x CMD y", "--interval 'x': not a span", "30s"),
    ("HEALTHCHECK --retries=-1 CMD y", "--retries=-1", ""),
    ("SHELL /bin/sh", "SHELL: it needs words in the JSON form", "SHELL ["),
    ("SHELL []", "SHELL: it needs words", ""),
    ("MAINTAINER", "MAINTAINER: it needs a name", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint"), WRONG)
def test_wrong_steps(text: str, message: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as raised:
        one(text)
    assert raised.value.message.startswith("Dockerfile:2:") and message in raised.value.message
    assert raised.value.message.count("Dockerfile:") == 1
    assert hint in raised.value.hint


VALUES = {"a": "A", "n": "80", "e": "", "s": "SIGQUIT", "two": "80 81/udp", "sp": "x y"}
EXPANDED: list[tuple[str, dict[str, Any]]] = [
    ("FROM $a:${n}", {"image": "A:80"}),
    ("FROM --platform=linux/$a x", {"platform": "linux/A"}),
    ("ENV b=$a c=${a}x", {"pairs": (("b", "A"), ("c", "Ax"))}),
    ("ENV a=1 b=$a", {"pairs": (("a", "1"), ("b", "A"))}),
    ("ENV b $a 'x'", {"pairs": (("b", "A x"),)}),
    ("ENV $a=1", {"pairs": (("A", "1"),)}),
    ("ENV b='$a' c=\\$a d=\"$a b\"", {"pairs": (("b", "$a"), ("c", "$a"), ("d", "A b"))}),
    ("LABEL x=$a", {"pairs": (("x", "A"),)}),
    ("ARG b=$a c=$b d", {"pairs": (("b", "A"), ("c", "A"), ("d", None))}),
    ("ARG a=1 b=$a", {"pairs": (("a", "1"), ("b", "1"))}),
    ("COPY $a x$n /$a/", {"sources": ("A", "x80"), "destination": "/A/"}),
    ("COPY --chown=$a --chmod=$n --exclude=$a x /", {"chown": "A", "chmod": "80",
    "exclude": ("A",)}),
    ("COPY $sp /", {"sources": ("x y",)}),
    ('COPY ["$a b", "/$n"]', {"sources": ("A b",), "destination": "/80"}),
    ("COPY \\$a /", {"sources": ("$a",)}),
    ("ADD --checksum=sha256:$n $a /", {"checksum": "sha256:80", "sources": ("A",)}),
    ("COPY <<E <<'F' /\n$a \"x\" '$a'\nE\n$a\nF",
     {"heredocs": (Heredoc(name="E", text="A \"x\" 'A'\n", expand=False),
                   Heredoc(name="F", text="$a\n", expand=False))}),
    ("COPY <<-E /\n\t$a\n\tE", {"heredocs": (Heredoc(name="E", text="A\n", expand=False),)}),
    ("COPY <<E /\n\\$a\nE", {"heredocs": (Heredoc(name="E", text="$a\n", expand=False),)}),
    ("EXPOSE $n", {"ports": ("80/tcp",)}),
    ("EXPOSE $two", {"ports": ("80/tcp", "81/udp")}),
    ("EXPOSE 80-82/TCP 80", {"ports": ("80/tcp", "81/tcp", "82/tcp")}),
    ("EXPOSE 127.0.0.1:8080:$n 1:2/udp", {"ports": ("80/tcp", "2/udp")}),
    ("EXPOSE $none", {"ports": ()}),
    ("VOLUME /$a", {"paths": ("/A",)}),
    ('VOLUME ["/$a b"]', {"paths": ("/A b",)}),
    ("USER $a:${n}", {"user": "A:80"}),
    ("USER $none", {"user": ""}),
    ("WORKDIR /$a/b", {"path": "/A/b"}),
    ("STOPSIGNAL $s", {"signal": "SIGQUIT"}),
    ("RUN echo $a", {"command": "echo $a"}),
    ('RUN ["echo", "$a"]', {"command": ("echo", "$a")}),
    ("RUN <<E\n$a\nE", {"heredocs": (Heredoc(name="E", text="$a\n"),)}),
    ("CMD echo $a", {"command": "echo $a"}),
    ('ENTRYPOINT ["$a"]', {"command": ("$a",)}),
    ("HEALTHCHECK CMD x $a", {"test": ("CMD-SHELL", "x $a")}),
    ("ONBUILD RUN $a", {"trigger": "RUN $a"}),
    ("MAINTAINER $a", {"name": "$a"}),
    ('SHELL ["$a"]', {"words": ("$a",)}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXPANDED)
def test_expanded(text: str, expected: dict[str, Any]) -> None:
    made = one(text)
    done = expanded(made, VALUES)
    assert fields(done, expected) == expected
    assert type(done) is type(made) and (done.line, done.text) == (made.line, made.text)


def test_expanded_mounts() -> None:
    made = one("RUN --mount=type=cache,id=$a-$n,target=/$a,uid=$n,mode=0700 x")
    assert isinstance(made, Run) and made.mounts[0].id == "$a-$n" and made.mounts[0].uid == 0
    done = expanded(made, {"a": "A", "n": "80"})
    assert isinstance(done, Run)
    found = done.mounts[0]
    assert (found.id, found.target, found.uid, found.mode) == ("A-80", "/A", 80, 0o700)


def test_the_backtick() -> None:
    done = expanded(one("COPY `$a c:\\$a /x/", "# escape=`\n"), VALUES)
    assert isinstance(done, Copy) and done.sources == ("$a", "c:\\A")


NOT_EXPANDED = [
    ("FROM ${a", "${ begins no variable", ""), ("COPY 'a /", "a quote does not end", "JSON form"),
    ('COPY "a b" /', "a quote does not end", "JSON form"), ("ENV b=${a!x}", "${ begins no", ""),
    ("WORKDIR ${none:?say where}", "none: say where", ""), ("EXPOSE $a", "'A' is not PORT", ""),
    ("STOPSIGNAL $a", "signal 'A': not known", ""), ("VOLUME $none", "a path is empty", ""),
    ("RUN --mount=type=$a,target=/x y", "type a is not known", ""),
    ("RUN --mount=type=cache,target=/x,uid=$a y", "uid 'A': not a whole number", ""),
    ("LABEL x='a", "a quote does not end", ""), ("ARG x=${y?}", "y: not set", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint"), NOT_EXPANDED)
def test_not_expanded(text: str, message: str, hint: str) -> None:
    made = one(text)
    with pytest.raises(DockerfileError) as raised:
        expanded(made, VALUES)
    keyword = text.split()[0]
    assert raised.value.message.startswith(f"Dockerfile:2:1: {keyword}: ")
    assert message in raised.value.message and hint in raised.value.hint


def test_names_that_were_used() -> None:
    names = Names()
    expanded(one("COPY --chown=$u $a ${b:-x} /"), {"a": "1", "c": "2"}, names)
    assert (names.found, names.missing, names.covered) == ({"a"}, {"u", "b"}, {"b"})


MOUNTS: list[tuple[str, dict[str, Any]]] = [
    ("target=/a", {"type": "bind", "source": "", "from_": "", "read_only": True, "mode": None}),
    ("type=bind,target=/a,source=b,from=c", {"source": "b", "from_": "c", "target": "/a"}),
    ("type=bind,dst=/a,src=b,rw", {"source": "b", "target": "/a", "read_only": False}),
    ("type=bind,destination=/a,readwrite=true", {"target": "/a", "read_only": False}),
    ("type=bind,target=/a,rw=false", {"read_only": True}),
    ("type=bind,target=/a,ro=false", {"read_only": False}),
    ("TYPE=BIND,Target=/a", {"type": "bind", "target": "/a"}),
    ("type=cache,target=/a", {"id": "/a", "sharing": "shared", "mode": 0o755, "read_only": False,
                              "uid": 0, "gid": 0}),
    ("type=cache,target=/a,id=x,sharing=locked", {"id": "x", "sharing": "locked"}),
    ("type=cache,target=/a,sharing=private,ro", {"sharing": "private", "read_only": True}),
    ("type=cache,target=/a,mode=0700,uid=1,gid=2", {"mode": 0o700, "uid": 1, "gid": 2}),
    ("type=cache,target=/a,from=x,source=/y", {"from_": "x", "source": "/y"}),
    ("type=tmpfs,target=/a", {"size_bytes": 0, "read_only": False}),
    ("type=tmpfs,target=/a,size=64m", {"size_bytes": 64 << 20}),
    ("type=secret,id=x", {"id": "x", "target": "/run/secrets/x", "mode": 0o400, "required": False}),
    ("type=secret,id=x,target=/y,required", {"target": "/y", "required": True}),
    ("type=secret,target=/y/z", {"id": "z", "target": "/y/z"}),
    ("type=secret,source=x", {"id": "x", "source": "", "target": "/run/secrets/x"}),
    ("type=secret,id=x,env=TOKEN", {"env": "TOKEN", "target": ""}),
    ("type=secret,id=x,env=TOKEN,target=/y", {"env": "TOKEN", "target": "/y"}),
    ("type=secret,id=x,mode=0440,uid=5,required=true", {"mode": 0o440, "uid": 5, "required": True}),
    ("type=ssh", {"id": "default", "target": "", "mode": 0o600}),
    ("type=ssh,id=x,target=/s,required=false", {"id": "x", "target": "/s", "required": False}),
    ('type=bind,target=/a,"source=b,c"', {"source": "b,c"}),
    ('type=bind,target=/a,"source=b""c"', {"source": 'b"c'}),
    ("target=/a,target=/b", {"target": "/b"}),
    ("type=cache,target=$x,uid=$y,sharing=$z", {"target": "$x", "uid": 0, "sharing": "shared"}),
    ("type=$x", {"type": "$x"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MOUNTS)
def test_mounts(text: str, expected: dict[str, Any]) -> None:
    made = mount(text)
    assert {name: getattr(made, name) for name in expected} == expected
    assert made.text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [("type=volume,target=/a", "type volume"), ("type=bind", "needs a target"),
     ("type=cache", "needs a target"), ("type=tmpfs", "needs a target"), ("type=secret", "id or a"),
     ("type=bind,target=/a,mode=1", "bind mount has no mode"),
     ("type=bind,target=/a,uid=1", "no uid"),
     ("type=tmpfs,target=/a,gid=1", "no gid"), ("type=cache,target=/a,size=1", "no size"),
     ("type=cache,target=/a,required", "no required"),
     ("type=bind,target=/a,sharing=shared", "no sh"),
     ("type=cache,target=/a,sharing=x", "sharing=x"), ("type=cache,target=/a,mode=9", "mode"),
     ("type=cache,target=/a,uid=x", "uid"), ("type=cache,target=/a,uid=-1", "uid"),
     ("type=secret,id=x,from=y", "no from"), ("type=secret,id=x,source=y", "not both"),
     ("type=ssh,env=X", "no env"), ("type=bind,target=/a,ro=maybe", "neither true nor"),
     ("target=/a,foo=1", "key foo"), ("target=/a,foo", "key foo"), ("target", "needs a value"),
     ("target=/a,,", "is not known"), ("target=/a,from=$x", "from cannot hold"),
     ('"target=/a', "quote"), ("type=tmpfs,target=/a,size=x", "size"), ("", "is not known")],
)  # fmt: skip
def test_wrong_mounts(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message.replace("$", ".")):
        mount(text)


def test_triggers() -> None:
    found = triggers(["RUN a", "COPY <<E /\nx\nE", "ENV a=1"], "base")
    assert [type(each).__name__ for each in found] == ["Run", "Copy", "Env"]
    assert isinstance(found[1], Copy) and found[1].heredocs[0].text == "x\n"
    made = one("ONBUILD COPY <<E /\nx\nE")
    assert isinstance(made, Onbuild) and triggers([made.trigger], "x")[0] == triggers(
        ["COPY <<E /\nx\nE"], "y")[0]  # fmt: skip


@pytest.mark.parametrize("text", ["FROM x", "ONBUILD RUN x", "MAINTAINER x", "RNU x", "ENV"])
def test_wrong_triggers(text: str) -> None:
    with pytest.raises(DockerfileError, match=r"^ONBUILD of base:1:"):
        triggers([text], "base")
