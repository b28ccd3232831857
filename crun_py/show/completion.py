"""What a shell may complete: verbs, options, and names of containers, images and volumes.

The scripts that `crunpy completion SHELL` prints know nothing themselves: they ask
`crunpy __complete -- WORD…`, which answers with a line per candidate, `WORD<tab>HELP`, and
with `:files` where the shell should offer files.
"""

from __future__ import annotations

import os

from crun_py import state
from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from crun_py.paths import Paths

FILES = ":files"
_WITH_VALUES = ("--root", "--runroot", "-H", "--host", "--url", "-c", "--context", "--connection")
"""Options before a verb after which a word stands that is none."""

_RUNNING = "stop kill exec attach top stats pause port".split()
_STOPPED = "start rm".split()


def containers(paths: Paths, verb: str) -> list[tuple[str, str]]:
    """Names of containers, of those that `verb` is for, with their images."""
    found = []
    for container in state.every(paths):
        running = container.status().running
        if (verb in _RUNNING and not running) or (verb in _STOPPED and running and verb != "rm"):
            continue
        found.append((container.name, str(container.record["image"])))
    return found


def images(paths: Paths, verb: str) -> list[tuple[str, str]]:
    """Names of images, as users write them."""
    from crun_py.oci.store.images import ImageStore

    store = ImageStore(paths)
    names = [(name, image.id[:12]) for image in store.everything()
             for name in image.familiar_names]  # fmt: skip
    return names + [(name.removesuffix(":latest"), i) for name, i in names if ":latest" in name]


def volumes(paths: Paths, verb: str) -> list[tuple[str, str]]:
    """Names of volumes."""
    return [(name, "") for name in sorted(_names_in(paths.volumes))]


def networks(paths: Paths, verb: str) -> list[tuple[str, str]]:
    """Modes and names of networks."""
    own = [n.removesuffix(".json") for n in _names_in(paths.networks) if n.endswith(".json")]
    modes = ["bridge", "host", "none", *(f"container:{c.name}" for c in state.every(paths))]
    return [(name, "") for name in dict.fromkeys([*modes, *sorted(own)])]


def pods(paths: Paths, verb: str) -> list[tuple[str, str]]:
    """Names of pods."""
    from crun_py import pods as stored

    return [(name, "") for name in sorted(stored.names(paths).values())]


def _names_in(directory: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if not name.startswith(".")]
    except FileNotFoundError:
        return []


_SOURCES: dict[str, Callable[[Paths, str], list[tuple[str, str]]]] = {
    "CONTAINER": containers,
    "IMAGE": images,
    "REPOSITORY": images,
    "VOLUME": volumes,
    "NETWORK": networks,
    "POD": pods,
    "MODE": networks,
}
_FIXED = {
    "BOOL": ["true", "false"],
    "SIGNAL": [f"SIG{s}" for s in ("TERM", "KILL", "HUP", "INT", "QUIT", "USR1", "USR2", "STOP")],
    "POLICY": ["no", "on-failure", "always", "unless-stopped"],
    "DRIVER": ["json-file", "k8s-file", "local", "none"],
    "STREAM": ["stdin", "stdout", "stderr"],
}


def candidates(
    paths: Paths,
    words: list[str],
    groups: dict[str, dict[str, str]],
    summaries: dict[str, tuple[str, str]],
    table: Callable[[str], Any],
) -> list[tuple[str, str]]:
    """What may stand for the last of `words`, which is not finished.

    groups, summaries: cli.verbs.GROUPS and VERBS.  table: the module of a verb, with its
    OPTIONS and ARGUMENTS.
    """
    *before, last = words or [""]
    verb, rest = _verb(before, groups, summaries)
    if verb is None:
        offered = [(v, text) for v, (_, text) in summaries.items() if " " not in v]
        offered += [(g, "") for g in groups if g not in summaries and " " not in g]
        names = (" ".join(before[-2:]), *before[-1:])
        group = next((name for name in names if name in groups), "")
        if group:
            offered = [(word, summaries[v][1]) for word, v in groups[group].items()]
            inner = (name.partition(" ") for name in groups if name.startswith(group + " "))
            offered += [(word, "") for _, _, word in inner]
        found = [o for o in offered if o[0][:1] != "_"]
    else:
        found = _of_verb(paths, verb, table(verb), rest, last)
    return sorted((c for c in set(found) if c[0].startswith(last) or c[0] == FILES), key=str)


def _verb(
    words: list[str], groups: dict[str, dict[str, str]], summaries: dict[str, tuple[str, str]]
) -> tuple[str | None, list[str]]:
    """The verb that `words` name, and what follows it."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in _WITH_VALUES else 1
    if at >= len(words):
        return None, []
    first = words[at]
    inner = " ".join(words[at : at + 2])
    if " " in inner and inner in groups:
        word = "".join(words[at + 2 : at + 3])
        return (groups[inner][word], words[at + 3 :]) if word in groups[inner] else (None, [])
    if first in groups:
        if len(words) > at + 1 and words[at + 1] in groups[first]:
            return groups[first][words[at + 1]], words[at + 2 :]
        if first not in summaries:
            return None, []
    return (first, words[at + 1 :]) if first in summaries else (None, [])


def _of_verb(
    paths: Paths, verb: str, module: Any, words: list[str], last: str
) -> list[tuple[str, str]]:
    options = {
        name: (kind, text, metavar)
        for names, kind, text, metavar in module.OPTIONS
        for name in names.split()
    }
    arguments: list[str] = []
    value_of = ""
    for word in words:
        if value_of:
            value_of = ""
        elif word.startswith("-") and len(word) > 1 and not (arguments and not _mixed(module)):
            known = options.get(word)
            value_of = (
                known[2] or "VALUE"
                if known and known[0] not in ("flag", "switch", "optional")
                else ""
            )
        else:
            arguments.append(word)
    if value_of:
        return _values(paths, verb, value_of)
    if arguments and not _mixed(module):
        return [(FILES, "")]
    if last.startswith("-"):
        return [(name, text) for name, (_, text, _) in options.items() if text and name[1] == "-"]
    expected = module.ARGUMENTS.replace("[", " ").replace("]", " ").split()
    if not expected:
        return []
    word = expected[min(len(arguments), len(expected) - 1)]
    if len(arguments) >= len(expected) and not expected[-1].endswith("..."):
        return []
    return _values(paths, verb, word.rstrip(".").partition(":")[0])


def _mixed(module: Any) -> bool:
    return bool(getattr(module, "MIXED", True))


def _values(paths: Paths, verb: str, metavar: str) -> list[tuple[str, str]]:
    if metavar in _FIXED:
        return [(word, "") for word in _FIXED[metavar]]
    if metavar == "NAME":
        return containers(paths, verb) + images(paths, verb)
    if metavar not in _SOURCES:
        return [(FILES, "")]
    try:
        return _SOURCES[metavar](paths, verb)
    except (CrunpyError, OSError):
        return []  # a damaged store has nothing to offer; other commands tell of it


_BASH = r"""# crunpy completion for bash; in ~/.bashrc:  source <(crunpy completion bash)
_crunpy() {
    local line cur=${COMP_WORDS[COMP_CWORD]} before
    COMPREPLY=()
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    if declare -F _get_comp_words_by_ref >/dev/null; then
        local cword
        _get_comp_words_by_ref -n =: -w words -i cword -c cur
        words=("${words[@]:1:cword}")
    fi
    while IFS= read -r line; do
        if [[ $line == :files* ]]; then
            compopt -o default
        else
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done < <("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        before=${cur%"${cur##*:}"}
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
}
complete -F _crunpy crunpy
"""
_ZSH = r"""#compdef crunpy
# crunpy completion for zsh: as _crunpy in a directory of $fpath
_crunpy() {
    local -a found
    local line files=
    while IFS= read -r line; do
        if [[ $line == :files* ]]; then
            files=1
        else
            found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        fi
    done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( $#found )) && _describe crunpy found
    [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _crunpy ]]; then _crunpy "$@"; else compdef _crunpy crunpy; fi
"""
_FISH = r"""# crunpy completion for fish: as ~/.config/fish/completions/crunpy.fish
function __crunpy_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        if string match -q ':files*' -- $line
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c crunpy -f -a '(__crunpy_complete)'
"""
_POWERSHELL = r"""# crunpy completion for PowerShell
Register-ArgumentCompleter -Native -CommandName crunpy -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if (-not $wordToComplete) { $words += '' }
    crunpy __complete -- @words 2>$null | Where-Object { $_ -notlike ':files*' } | ForEach-Object {
        $name, $help = $_ -split "`t", 2
        if (-not $help) { $help = $name }
        [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', $help)
    }
}
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "powershell": _POWERSHELL}
