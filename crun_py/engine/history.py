"""How images were made."""

from __future__ import annotations

from crun_py.model.image import HistoryStep
from crun_py.oci.store.images import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context

CALLS = ("history",)


def history(context: Context, name: str) -> tuple[HistoryStep, ...]:
    """The steps by which an image was made, newest first.  Raises NotFound."""
    from crun_py.show import images

    found = ImageStore(context.paths).find(name)
    return tuple(
        HistoryStep(
            created_at=row["CreatedAt"],
            created_by=row["CreatedBy"],
            size_bytes=int(row["Size"]),
            comment=row["Comment"],
            names=tuple(row["Tags"]),
        )
        for row in images.history(found, human=False, whole=True)
    )
