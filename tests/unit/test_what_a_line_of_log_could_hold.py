"""Whatever is put into a log line whole shows no caller's number: the classes that carry one leave it out of `repr`."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator

import hotline
import ivr
import recordings
import telephony

CARRY_IT = {"CallFacts", "CallNote", "NumberSeen", "Seen"}


def dataclasses_of(room: str, path: list[str]) -> Iterator[type]:
    for module in pkgutil.walk_packages(path, f"{room}."):
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and dataclasses.is_dataclass(found) and found.__module__ == module.name:
                yield found


def test_a_class_that_carries_a_number_does_not_show_it() -> None:
    rooms = {room.__name__: list(room.__path__) for room in (hotline, ivr, recordings, telephony)}
    carry = {
        one.__name__: field
        for room, path in rooms.items()
        for one in dataclasses_of(room, path)
        for field in dataclasses.fields(one)
        if field.name == "number" and "str" in str(field.type)
    }
    assert set(carry) >= CARRY_IT
    assert [name for name, field in carry.items() if field.repr] == []
