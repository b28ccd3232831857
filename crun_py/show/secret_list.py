"""Secrets as `secret ls` and `secret inspect` show them (podman-secret-inspect(1))."""

from __future__ import annotations

from crun_py.show.listing import Labels, since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.secret import SecretInfo

PRETTY = (
    "ID:              {{.ID}}\nName:            {{.Spec.Name}}\n"
    "Labels:          {{range $k, $v := .Spec.Labels}}{{$k}}={{$v}} {{end}}\n"
    "Driver:          {{.Spec.Driver.Name}}\nCreated at:      {{.CreatedAt}}\n"
    "Updated at:      {{.UpdatedAt}}"
)


def row(info: SecretInfo) -> dict[str, object]:
    """One row of `secret ls`."""
    return {
        "ID": info.id,
        "Name": info.name,
        "Driver": info.driver,
        "CreatedAt": since(info.created_at) + " ago",
        "UpdatedAt": since(info.updated_at) + " ago",
        "Labels": Labels(info.labels),
    }


def document(info: SecretInfo, held: bytes | None = None) -> dict[str, object]:
    """What `secret inspect` shows of one; held: what it holds, if that is to be shown."""
    return {
        "ID": info.id,
        "CreatedAt": info.created_at,
        "UpdatedAt": info.updated_at,
        "Spec": {
            "Name": info.name,
            "Driver": {"Name": info.driver, "Options": info.driver_options},
            "Labels": info.labels,
        },
        **({} if held is None else {"SecretData": held.decode("utf-8", "replace")}),
    }
