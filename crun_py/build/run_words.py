"""What a RUN executes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.build.draft import Draft
    from crun_py.build.records import Run

SHELL = ["/bin/sh", "-c"]


def words(step: Run, draft: Draft) -> list[str]:
    """What is executed, but for a here-document that is a program."""
    if not step.shell:
        return list(step.command)
    return [*(draft.config.get("Shell") or SHELL), step.shell_text]
