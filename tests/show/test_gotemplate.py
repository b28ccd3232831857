"""Go templates as docker's --format takes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crun_py.errors import InvalidArgument
from crun_py.show.gotemplate import headings, render

VALUE: dict[str, Any] = {
    "Name": "box",
    "State": {"Running": True, "ExitCode": 0, "Error": ""},
    "Args": ["a", "b"],
    "Labels": {"k": "v", "a.b": "c"},
    "Mounts": [{"Source": "/s", "RW": True}, {"Source": "/t", "RW": False}],
    "Empty": [],
    "Nothing": None,
    "PidsLimit": None,
    "Volumes": None,
    "Ports": {"80/tcp": None},
    "Words": {"word": "text"},
    "Size": 12,
}


@pytest.mark.parametrize(
    "template,expected",
    [
        ("plain", "plain"),
        ("{{.Name}}", "box"),
        ("{{ .Name }}!", "box!"),
        ("a {{- .Name -}} b", "aboxb"),
        ("{{/* comment */}}x", "x"),
        ("{{.State.Running}} {{.State.ExitCode}}", "true 0"),
        ("{{.Args}}", "[a b]"),
        ("{{.Labels}}", "map[a.b:c k:v]"),
        ("{{.Nothing}}", "[]"),  # Go's nil slice
        ("{{json .Nothing}} {{len .Nothing}}{{range .Nothing}}x{{end}}", "null 0"),
        ("{{.PidsLimit}}{{if .PidsLimit}}yes{{end}} {{json .PidsLimit}}", "<nil> null"),
        ("{{.Volumes}}", "map[]"),
        ("{{.Health}} {{.Health.Status}}{{with .Health}}yes{{end}}", "<nil> <no value>"),
        ('{{index .Ports "80/tcp"}}', "[]"),
        ('{{index .Words "nosuch"}}', ""),
        ("{{.Words.nosuch}}", "<no value>"),
        ("{{json .}}"[:6] + " .Args}}", '["a","b"]'),
        ("{{json .State}}", '{"Running":true,"ExitCode":0,"Error":""}'),
        ("{{.Name | json}}", '"box"'),
        ("{{.Name | upper | json}}", '"BOX"'),
        ("{{upper .Name}} {{lower .Name}} {{title .Name}}", "BOX box Box"),
        ('{{index .Labels "a.b"}}', "c"),
        ("{{index .Args 1}}", "b"),
        ('{{(index .Mounts 0).Source}}', "/s"),
        ("{{len .Args}} {{len .Name}} {{len .Labels}}", "2 3 2"),
        ('{{join .Args ","}}', "a,b"),
        ('{{split "a:b" ":"}}', "[a b]"),
        ('{{truncate .Name 2}}', "bo"),
        ('{{pad .Name 1 2}}', " box  "),
        ('{{printf "%s-%d-%05d" .Name .Size .Size}}', "box-12-00012"),
        ('{{printf "%q" .Name}}', '"box"'),
        ('{{print .Name .Size}}', "box12"),
        ('{{println .Name}}', "box\n"),
        ('{{"text"}} {{`raw`}} {{3}} {{true}}', "text raw 3 true"),
        ("{{if .State.Running}}yes{{else}}no{{end}}", "yes"),
        ("{{if .Empty}}yes{{else}}no{{end}}", "no"),
        ("{{if .Empty}}1{{else if .Name}}2{{else}}3{{end}}", "2"),
        ("{{if .Empty}}1{{else if .Nothing}}2{{else}}3{{end}}", "3"),
        ("{{if and .Name .Size}}both{{end}}", "both"),
        ("{{if or .Empty .Name}}one{{end}}", "one"),
        ("{{if not .Empty}}none{{end}}", "none"),
        ('{{if eq .Name "box"}}same{{end}}', "same"),
        ('{{if ne .Size 3}}{{if gt .Size 3}}{{if le .Size 12}}x{{end}}{{end}}{{end}}', "x"),
        ("{{range .Args}}[{{.}}]{{end}}", "[a][b]"),
        ("{{range .Empty}}x{{else}}empty{{end}}", "empty"),
        ("{{range $i, $a := .Args}}{{$i}}={{$a}} {{end}}", "0=a 1=b "),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a.b=c;k=v;"),
        ("{{range .Mounts}}{{.Source}}:{{.RW}} {{end}}", "/s:true /t:false "),
        ("{{range .Args}}{{$.Name}}{{end}}", "boxbox"),
        ("{{with .State}}{{.ExitCode}}{{end}}", "0"),
        ("{{with .Nothing}}x{{else}}none{{end}}", "none"),
        ("{{$x := .Name}}{{$x}}{{$x}}", "boxbox"),
    ],
)  # fmt: skip
def test_render(template: str, expected: str) -> None:
    assert render(template, VALUE) == expected


@pytest.mark.parametrize(
    "template",
    ["{{", "{{.Name", "{{.Nosuch}}", "{{.Name.Deeper}}", "{{end}}", "{{else}}", "{{if .Name}}",
     "{{range .Args}}", "{{nosuch .Name}}", "{{.Name | nosuch}}", "{{index .Args 9}}", "{{$gone}}",
     "{{(.Name}}", "{{.Name .Size}}", "{{|}}", '{{"open}}', "{{if}}x{{end}}",
     "{{truncate .Size 1}}", "{{len .Size}}", r'{{"\ud800"}}', r'{{"\Ue0001F60"}}'],
)  # fmt: skip
def test_errors(template: str) -> None:
    with pytest.raises(InvalidArgument):
        render(template, VALUE)


@given(st.text(alphabet='{}.|$"`() :=-,abNameifrangeend0', max_size=30))
def test_any_text_renders_or_is_refused(text: str) -> None:
    try:
        assert isinstance(render(text, VALUE), str)
    except InvalidArgument as e:
        assert "\n" not in e.message or "\n" in text


def test_headings() -> None:
    names = {"Names": "NAMES", "ID": "CONTAINER ID"}
    assert headings("{{.ID}}\t{{.Names}}\t{{.Odd}}", names) == "CONTAINER ID\tNAMES\tODD"
