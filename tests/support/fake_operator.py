"""A fake operator: it records its requests, and fails when the test wants it to."""

from dataclasses import dataclass, field
from typing import Any

from telephony.operator.operator import LineFailed

SILENT = "Asterisk does not answer. Nothing was changed; try again."


@dataclass
class Operated:
    """Stands in for `telephony.operator.operator.Operator`. `acts` are the names and arguments in the order they came."""

    acts: list[tuple[Any, ...]] = field(default_factory=list)
    fails: bool = False

    def close(self) -> None:
        """Do nothing."""

    def mobiles_missing(self, _agent_ids: object) -> set[int]:
        """Nobody is rung at home here."""
        return set()

    def set_mobile(self, _agent_id: int, _number: str | None) -> None:
        """Nobody is rung at home here."""

    def __getattr__(self, name: str) -> Any:
        """Record any other act."""

        def act(*what: Any) -> None:
            if self.fails:
                raise LineFailed(SILENT)
            self.acts.append((name, *what))

        return act
