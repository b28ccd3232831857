"""The options of a mount in config.json (config.md, "Linux mount options")."""

from __future__ import annotations

from crun_py import ns

FLAGS = {
    "ro": ns.RDONLY,
    "nosuid": ns.NOSUID,
    "nodev": ns.NODEV,
    "noexec": ns.NOEXEC,
    "noatime": ns.MS_NOATIME,
    "nodiratime": ns.MS_NODIRATIME,
    "relatime": ns.MS_RELATIME,
    "strictatime": ns.MS_STRICTATIME,
    "nosymfollow": ns.MS_NOSYMFOLLOW,
    "sync": ns.MS_SYNCHRONOUS,
    "dirsync": ns.MS_DIRSYNC,
    "mand": ns.MS_MANDLOCK,
    "silent": ns.MS_SILENT,
    "iversion": ns.MS_I_VERSION,
    "lazytime": ns.MS_LAZYTIME,
}
OPPOSITES = {
    "rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec", "atime": "noatime",
    "diratime": "nodiratime", "norelatime": "relatime", "nostrictatime": "strictatime",
    "symfollow": "nosymfollow", "async": "sync", "nomand": "mand", "loud": "silent",
    "noiversion": "iversion", "nolazytime": "lazytime",
}  # fmt: skip
"""Words that undo another one which stands before them."""
PROPAGATION = {
    "private": ns.MS_PRIVATE,
    "slave": ns.MS_SLAVE,
    "shared": ns.MS_SHARED,
    "unbindable": ns.MS_UNBINDABLE,
}
_RECURSIVE = {"r" + word: word for word in (*FLAGS, *OPPOSITES)}
_NOTHING = ("defaults", "bind", "rbind", "notmpcopyup", "remount", "idmap", "ridmap")
KNOWN = (*FLAGS, *OPPOSITES, *_RECURSIVE, *PROPAGATION, *("r" + word for word in PROPAGATION),
         "bind", "rbind", "defaults", "remount", "tmpcopyup", "idmap", "ridmap")  # fmt: skip


class Options:
    """What the options of a mount say.

    flags: of mount(2).  all_read_only: also what is mounted below is.  propagation: 0 for none.
    data: what the file system understands.  recursive: a bind takes along what is mounted below.
    remount: what is mounted there is changed.  mapped: its files are shown with other owners;
    mapped_below: those of what is mounted below, too.
    """

    def __init__(self, options: list[str]) -> None:
        self.flags = self.propagation = 0
        self.data: list[str] = []
        self.recursive, self.all_read_only = "rbind" in options, False
        self.remount, self.mapped_below = "remount" in options, "ridmap" in options
        self.mapped = self.mapped_below or "idmap" in options
        for option in options:
            word = _RECURSIVE.get(option, option)
            if word in FLAGS:
                self.flags |= FLAGS[word]
                self.all_read_only |= option == "rro"
            elif word in OPPOSITES:
                self.flags &= ~FLAGS[OPPOSITES[word]]
            elif option in PROPAGATION or option[1:] in PROPAGATION:
                self.propagation = PROPAGATION.get(option) or PROPAGATION[option[1:]]
            elif option not in _NOTHING:
                self.data.append(option)
