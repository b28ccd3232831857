"""The command line without typer, which costs 85 ms to import: a table-driven parser.

Each verb's module holds OPTIONS, a tuple of (names, kind, help, metavar), and says in
ARGUMENTS what follows.  `parse` understands every correct command line; for anything else,
and for help, it returns None, and typer, built from the same tables, words the answer.
"""

from __future__ import annotations

from crun_py.cli.output import choose_format, choose_quiet
from crun_py.cli.verbs import ALIASES, GROUPS, VERBS
from crun_py.errors import InvalidArgument
from crun_py.values import FLAG, OPTIONAL, SWITCH, VALUE, Values, destination

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from crun_py.values import Table

_ALONE = (FLAG, SWITCH, OPTIONAL)  # the next word is no value of theirs

GLOBAL_OPTIONS = (
    ("--root", VALUE, "Directory of images, containers and volumes", "DIR"),
    ("--runroot", VALUE, "Directory of what a reboot may forget", "DIR"),
    ("-D --debug", FLAG, "Print each step of the plan as it is carried out", ""),
    ("--config", VALUE, "Directory of docker's config.json", "DIR"),
    ("--cgroup-manager", VALUE, "systemd or cgroupfs: who makes cgroups", "NAME"),
    ("--registry-mirror", "list", "Ask there first for docker.io's images", "URL"),
    (
        "--insecure-registry",
        "list",
        "Do without TLS or a known certificate there",
        "HOST",
    ),
    ("-H --host --url", VALUE, "Let the service there do it: unix://, tcp://, ssh://", "ADDRESS"),
    ("-c --context", VALUE, "Let the service of a context do it (crunpy context)", "NAME"),
    ("--connection", VALUE, "The same of a connection (crunpy system connection)", "NAME"),
    ("-r --remote", FLAG, "The same of the usual connection", ""),
    ("--identity", VALUE, "A key for ssh://", "FILE"),
    ("--tls", FLAG, "TLS to the service", ""),
    ("--tlsverify", SWITCH, "TLS, and the service's certificate is looked at", ""),
    ("--tlscacert", VALUE, "Who signs the service's certificate (~/.docker/ca.pem)", "FILE"),
    ("--tlscert", VALUE, "Our certificate (~/.docker/cert.pem)", "FILE"),
    ("--tlskey", VALUE, "Our certificate's key (~/.docker/key.pem)", "FILE"),
    (
        "--log-format",
        VALUE,
        "Messages on standard error: text, or json, an object a line",
        "FORMAT",
    ),
    ("--quiet", FLAG, "Errors alone on standard error: no progress, notes or warnings", ""),
    # other engines' options, which have one meaning only here, or none
    ("-l --log-level", VALUE, "", "LEVEL"),
    ("--events-backend", VALUE, "", "NAME"),
    ("--runtime", VALUE, "", "NAME"),
    ("--storage-driver", VALUE, "", "NAME"),
)

_BOOLEANS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


class Call:
    """A parsed command line."""

    __slots__ = ("arguments", "general", "module", "values", "verb")

    def __init__(
        self,
        verb: str,
        module: ModuleType,
        general: Values,
        values: Values,
        arguments: list[str],
    ) -> None:
        self.verb, self.module = verb, module
        self.general, self.values, self.arguments = general, values, arguments


def scan(options: Table, words: list[str], *, mixed: bool) -> tuple[Values, list[str]] | None:
    """Options and the rest of `words`; None for what is not right or asks for help.

    mixed: options may follow arguments; else the first argument ends them.
    Raises InvalidArgument for a switch with another value than true or false.
    """
    table = {}
    for names, kind, _, _ in options:
        key = destination(names)
        for name in names.split():
            table[name] = (key, kind)
    values = Values(options)
    rest: list[str] = []
    i = 0
    while i < len(words):
        word = words[i]
        i += 1
        if word == "--":
            return values, rest + words[i:]
        if len(word) < 2 or word[0] != "-":
            rest.append(word)
            if not mixed:
                return values, rest + words[i:]
            continue
        if word.startswith("--"):
            name, sep, value = word.partition("=")
            pieces = [(name, value if sep else None)]
        else:
            pieces = _split_short(word, table)
            long = "-" + word.partition("=")[0]
            if long in table and not _is_bundle(pieces, table):
                raise InvalidArgument(f"{word}: no such option", hint=f"did you mean {long}?")
        for name, given in pieces:
            if name not in table:
                return None
            key, kind = table[name]
            if kind in (FLAG, SWITCH):
                if given is not None and given.lower() not in _BOOLEANS:
                    raise InvalidArgument(f"option {name}={given}: not true or false")
                values.turn(key, given is None or _BOOLEANS[given.lower()])
                continue
            if kind == OPTIONAL:
                values.give(key, "true" if given is None else given)
                continue
            if given is None:
                if i == len(words):
                    return None
                given = words[i]
                i += 1
            values.give(key, given)
    return values, rest


def _split_short(word: str, table: dict[str, tuple[str, str]]) -> list[tuple[str, str | None]]:
    """`-itp8080:80`, `-t=false`, `-e X` as single options with what is attached to them."""
    pieces: list[tuple[str, str | None]] = []
    at = 1
    while at < len(word):
        name = "-" + word[at]
        at += 1
        if word[at : at + 1] == "=":
            return [*pieces, (name, word[at + 1 :])]
        if name in table and table[name][1] not in _ALONE and at < len(word):
            return [*pieces, (name, word[at:])]
        pieces.append((name, None))
    return pieces


def _is_bundle(pieces: list[tuple[str, str | None]], table: dict[str, tuple[str, str]]) -> bool:
    """Whether these are short options without a value attached: `-ip`, but not `-detach`."""
    return all(name in table and given is None for name, given in pieces)


def verb(words: list[str]) -> str:
    """The first word of a command line that is neither a general option nor such a one's value."""
    try:
        found = scan(GLOBAL_OPTIONS, words, mixed=False)
    except InvalidArgument:
        return ""
    return found[1][0] if found and found[1] else ""


def load(verb: str) -> ModuleType:
    """The module of a verb."""
    module: ModuleType = __import__(f"crun_py.cli.{VERBS[verb][0]}", fromlist=["main"])
    return module


def parse(words: list[str]) -> Call | None:
    """The call that a whole command line means, None when typer must answer."""
    found = scan(GLOBAL_OPTIONS, words, mixed=False)
    if found is None or not found[1]:
        return None
    general, rest = found
    choose_format(general.text("log_format"))
    choose_quiet(general.flag("quiet"))
    verb = rest.pop(0)
    group = ""
    while f"{group} {verb}".lstrip() in GROUPS:
        group = f"{group} {verb}".lstrip()
        if not rest:
            return None
        verb = rest.pop(0)
    if group:
        verb = GROUPS[group].get(verb, "")
    verb = ALIASES.get(verb, verb)
    if verb not in VERBS:
        return None
    module = load(verb)
    if getattr(module, "PASSED_ON", False):  # another program's words, its --help too
        return Call(verb, module, general, Values(module.OPTIONS), rest)
    parsed = scan(module.OPTIONS, rest, mixed=getattr(module, "MIXED", True))
    if parsed is None or not count_fits(module.ARGUMENTS, len(parsed[1])):
        return None
    return Call(verb, module, general, *parsed)


def count_fits(arguments: str, n: int) -> bool:
    """Whether n arguments fit a usage text like `IMAGE [COMMAND...]`."""
    least = most = 0
    for word in arguments.split():
        least += word[0] != "["
        most += 1_000_000 if "..." in word else 1
    return least <= n <= most
