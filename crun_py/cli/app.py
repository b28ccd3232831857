"""Help, errors and completion: a typer application built from the verbs' tables.

Only reached for what cli/fast.py does not parse; then typer's import time does not matter.
A verb's module is loaded when that verb is asked about, all of them for nothing else.
"""

from __future__ import annotations

import difflib
import inspect
import keyword
import os
import sys
from typing import Any

import typer

from crun_py import __version__
from crun_py.cli import dispatch, fast
from crun_py.cli.foreign import FOREIGN
from crun_py.cli.verbs import ALIASES, GROUP_SUMMARIES, GROUPS, VERBS
from crun_py.errors import CrunpyError, InvalidArgument, Unsupported
from crun_py.show.version import PODMAN_VERSION
from crun_py.values import FLAG, LIST, OPTIONAL, SWITCH, VALUE, Values, destination

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Table

_EPILOG = "Documentation: README.md.  `crunpy COMMAND --help` tells of a command's options."


def _parameters(module: Any) -> list[inspect.Parameter]:
    """The options and arguments of a verb as typer reads them from a signature."""
    found = _options(module.OPTIONS)
    for word in module.ARGUMENTS.split():
        bare = "".join(c if c.isalnum() else "_" for c in word.strip("[].").lower())
        optional = word[0] == "["
        many = "..." in word
        annotation = list[str] if many else str
        argument = typer.Argument(None if optional else ..., metavar=word, show_default=False)
        found.append(
            _parameter("argument_" + bare, annotation | None if optional else annotation, argument)
        )
    return found


def _options(table: Table) -> list[inspect.Parameter]:
    """The options of a table (cli/fast.py) as typer reads them from a signature."""
    kinds: dict[str, tuple[Any, Any]] = {
        FLAG: (bool, False),
        SWITCH: (bool | None, None),
        OPTIONAL: (bool | None, None),
        VALUE: (str | None, None),
        LIST: (list[str] | None, None),
    }
    found = []
    for names, kind, text, metavar in table:
        annotation, default = kinds[kind]
        words = names.split()
        shown: dict[str, Any] = {} if kind in (FLAG, SWITCH, OPTIONAL) else {"metavar": metavar}
        # an option without a text is an old form, accepted and not advertised
        option = typer.Option(default, *words, help=text, hidden=not text, **shown)
        found.append(_parameter(_name(names), annotation, option))
    return found


def _name(names: str) -> str:
    """The name of an option's parameter."""
    key = destination(names)
    return key + "_" if keyword.iskeyword(key) else key


def _values(table: Table, given: dict[str, Any]) -> Values:
    """What typer has read of the options of a table."""
    values = Values(table)
    for names, kind, *_ in table:
        key, value = destination(names), given[_name(names)]
        if value is None:
            continue
        if kind in (FLAG, SWITCH):
            values.turn(key, value)
        elif kind == OPTIONAL:
            values.give(key, "true" if value else "false")
        else:
            for text in value if kind == LIST else [value]:
                values.give(key, text)
    return values


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _command(verb: str, module: Any) -> Any:
    """A function with the signature that the verb's table describes."""
    parameters = _parameters(module)

    def function(ctx: typer.Context, **given: Any) -> None:
        arguments: list[str] = []
        for name, value in given.items():
            if name.startswith("argument_") and value is not None:
                arguments += value if isinstance(value, list) else [value]
        general = _values(fast.GLOBAL_OPTIONS, ctx.find_root().params)
        call = fast.Call(verb, module, general, _values(module.OPTIONS, given), arguments)
        raise typer.Exit(dispatch.execute(call))

    _sign(function, parameters)
    function.__doc__ = module.__doc__.partition(":")[2] or VERBS[verb][1]
    return function


def _sign(function: Any, parameters: list[inspect.Parameter]) -> None:
    """Give `function`, which takes a context and keywords, the signature that typer reads."""
    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    function.__signature__ = inspect.Signature([context, *parameters])
    function.__annotations__ = {p.name: p.annotation for p in (context, *parameters)}


def _help(ctx: typer.Context) -> None:
    """For a command line that ends here, with no word of what is to be done."""
    if ctx.invoked_subcommand is None:
        sys.stdout.write(ctx.get_help() + "\n")
        raise typer.Exit


def _main(ctx: typer.Context, **given: Any) -> None:
    """Run, build and share containers without a daemon."""
    _help(ctx)


def _version(asked: bool) -> None:
    """Whatever else is said, even if that is no command: podman-compose adds an empty word, and
    takes the last one of ours for podman's version."""
    if asked:
        as_podman = os.environ.get("CRUNPY_AS") == "podman"
        podmans = f", as podman version {PODMAN_VERSION}" if as_podman else ""
        sys.stdout.write(f"crunpy version {__version__}{podmans}\n")
        raise typer.Exit


_VERSION = typer.Option(
    False, "-v", "--version", help="Print the version", is_eager=True, callback=_version
)
_sign(_main, [*_options(fast.GLOBAL_OPTIONS), _parameter("version", bool, _VERSION)])


_HELP = ("--help", "-h")


def build(words: list[str]) -> typer.Typer:
    """The application; options are there for the verb that `words` name, if they name one."""
    app = typer.Typer(
        name="crunpy",
        epilog=_EPILOG,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": [*_HELP]},
    )
    app.callback(invoke_without_command=True)(_main)
    wanted = {ALIASES.get(w, w) for w in words}
    for group, members in GROUPS.items():
        named = {*group.split()} <= {*words}
        wanted |= {members[w] for w in words if named and w in members}
    for verb, (_, summary) in VERBS.items():
        if " " in verb:
            continue
        _add(app, verb, verb, summary, loaded=verb in wanted)
    made: dict[str, typer.Typer] = {"": app}
    for group, members in sorted(GROUPS.items()):  # those that are in another one after it
        made[group] = typer.Typer(help=GROUP_SUMMARIES[group], rich_markup_mode=None)
        made[group].callback(invoke_without_command=True, help=GROUP_SUMMARIES[group])(_help)
        for word, verb in members.items():
            _add(made[group], word, verb, VERBS[verb][1], loaded=verb in wanted)
        above, _, name = group.rpartition(" ")
        made[above].add_typer(made[group], name=name)
    return app


def _add(app: typer.Typer, name: str, verb: str, summary: str, *, loaded: bool) -> None:
    if not loaded:
        app.command(name, help=summary, hidden=not summary)(lambda: None)
        return
    module = fast.load(verb)
    taken = {name for names, *_ in getattr(module, "OPTIONS", ()) for name in names.split()}
    settings = {
        "allow_interspersed_args": getattr(module, "MIXED", True),
        "help_option_names": [name for name in _HELP if name not in taken],  # run -h: --hostname
    }
    app.command(name, help=summary, hidden=not summary, context_settings=settings)(
        _command(verb, module)
    )


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.65)
    return f"did you mean {near[0]}?" if near else ""


def _verb_in(words: list[str]) -> str:
    """The verb that `words` begin with, as they are and as words of a group; "" for none."""
    for i, word in enumerate(words):
        inner = " ".join(words[i : i + 2])
        if " " in inner and words[i + 2 : i + 3] and words[i + 2] in GROUPS.get(inner, {}):
            return GROUPS[inner][words[i + 2]]
        if word in GROUPS and len(words) > i + 1 and words[i + 1] in GROUPS[word]:
            return GROUPS[word][words[i + 1]]
        if ALIASES.get(word, word) in VERBS:
            return ALIASES.get(word, word)
    return ""


def _explain(words: list[str], message: str) -> CrunpyError:
    """A usage error in one line, with the nearest name."""
    text = message.rstrip(".").replace("\n", " ")
    text = text[:1].lower() + text[1:]
    verb = _verb_in(words)
    hint = f"crunpy {verb} --help lists the options" if verb else "crunpy --help lists the commands"
    if "no such command" in text:
        bad = text.split("'")[1] if "'" in text else ""
        group = next((w for w in words if w in GROUPS), "")
        inner = next((g for g in GROUPS if " " in g and g in " ".join(words)), "")
        group = inner if bad not in inner.split() and inner else group
        known = [*GROUPS[group]] if group else [*VERBS, *ALIASES, *GROUPS]
        shown = f"{group} {bad}" if group else bad
        if shown in FOREIGN:
            why, instead = FOREIGN[shown]
            return Unsupported(f"{shown}: {why}", hint=instead)
        return InvalidArgument(f"{shown}: no such command", hint=_nearest(bad, known) or hint)
    if "no such option" in text:
        bad = text.partition(": ")[2].split()[0] if ": " in text else ""
        if not verb or _comes_first(bad, verb, words):
            return _without_command(bad, verb, words, text, hint)
        known = [n for names, *_ in fast.load(verb).OPTIONS for n in names.split()]
        long = next((w for w in words if len(w) > 2 and w[0] == "-" and bad[1:] in w[1:]), "")
        if len(bad) == 2 and long and long[1] != "-":
            # `-nmae web`: a long option with one dash, and misspelt
            bad = long.partition("=")[0]
            near = _nearest("-" + bad, [n for n in known if n.startswith("--")])
            return InvalidArgument(f"{verb} {bad}: no such option", hint=near or hint)
        return InvalidArgument(f"{verb} {bad}: no such option", hint=_nearest(bad, known) or hint)
    return InvalidArgument(f"{verb + ': ' if verb else ''}{text}", hint=hint)


def _comes_first(option: str, verb: str, words: list[str]) -> bool:
    """Whether `option` stands before the command."""
    before = words[: next((i for i, w in enumerate(words) if w == verb.split()[0]), 0)]
    return any(word.partition("=")[0] == option for word in before)


def _without_command(option: str, verb: str, words: list[str], text: str, hint: str) -> CrunpyError:
    """For an option before its command, as in `crunpy --format json ps`; without any command,
    as in `crunpy -p 80 nginx`, one of `run`."""
    group = next((word for word in words if word in GROUPS), "")
    inner = next((word for word in words if word in GROUPS.get(group, {})), "")
    verb = GROUPS[group][inner] if inner else verb
    known = [name for names, *_ in fast.load(verb or "run").OPTIONS for name in names.split()]
    if option in known:
        shown = f"{group} {inner}" if inner else verb or "run"
        return InvalidArgument(
            f"{option}: no such option before a command",
            hint=f"did you mean crunpy {shown} {option}?",
        )
    general = [names for names, *_ in fast.GLOBAL_OPTIONS]
    return InvalidArgument(text, hint=_nearest(option, general) or hint)


def run(words: list[str]) -> int:
    """Carry out, or answer, a command line that the fast parser left to us."""
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    app = build(words)
    try:
        result = app(args=words, standalone_mode=False, prog_name="crunpy")
    except CrunpyError:
        raise
    except Exception as e:
        # typer's usage errors come from its own copy of click, which is not for import
        told = getattr(e, "format_message", None)
        if told is None:
            raise
        raise _explain(words, str(told())) from e
    return result if isinstance(result, int) else 0
