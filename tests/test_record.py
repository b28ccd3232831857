"""Records: fields by name, values compared, nothing changes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import KW_ONLY

import pytest

from crun_py.record import fields_of, is_record, record, replaced


@record
class Port:
    number: int
    protocol: str = "tcp"

    @property
    def text(self) -> str:
        return f"{self.number}/{self.protocol}"


@record
class Published(Port):
    host: int = 0


def test_fields_by_name_in_their_order() -> None:
    assert list(fields_of(Published(number=80, host=8080)).items()) == [
        ("number", 80), ("protocol", "tcp"), ("host", 8080),
    ]  # fmt: skip
    assert is_record(Published) and not is_record(dict) and not is_record(Port(number=1))
    with pytest.raises(TypeError):
        fields_of({})


def test_fields_and_defaults() -> None:
    assert Port(number=80).text == "80/tcp"
    assert repr(Port(number=80)) == "Port(number=80, protocol='tcp')"


def test_records_are_compared_by_value() -> None:
    assert Port(number=80) == Port(number=80, protocol="tcp")
    assert Port(number=80) != Port(number=81)
    assert Port(number=80) != Published(number=80)
    assert len({Port(number=80), Port(number=80)}) == 1


def test_a_record_of_a_record() -> None:
    assert Published(number=80, host=8080).text == "80/tcp"
    assert isinstance(Published(number=80), Port)


@pytest.mark.parametrize("given", [{}, {"number": 1, "name": "x"}])
def test_wrong_fields(given: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="no "):
        Port(**given)  # type: ignore[arg-type]


def test_fields_by_their_places() -> None:
    @record(kw_only=False)
    class Pair:
        first: int
        second: int = 2
        _: KW_ONLY
        third: int = 3

    assert Pair(1) == Pair(first=1, second=2) and Pair(1, 5, third=6).second == 5
    for wrong in (lambda: Pair(1, 2, 3), lambda: Pair(1, first=1), lambda: Pair(second=1)):
        with pytest.raises(TypeError):
            wrong()


def test_nothing_changes() -> None:
    port = Port(number=80)
    with pytest.raises(AttributeError, match="number cannot be set"):
        port.number = 81  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del port.number
    with pytest.raises(AttributeError):
        port.other = 1  # type: ignore[attr-defined]


def test_replaced() -> None:
    assert replaced(Port(number=80), number=81) == Port(number=81)


def test_it_loads_nothing() -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}; import crun_py.record; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "crun_py.record" in loaded
    assert not {"typing", "re", "inspect", "dataclasses", "enum"} & {*loaded}
