"""For a worker that is started anew: it imports this module, and not the tests."""

from __future__ import annotations

from typing import Any


class Every:
    """All transforms at once, so that the worker is started once."""

    def __init__(self, chains: dict[str, Any]) -> None:
        self.chains = chains

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        return {name: transform({"x": item[name]}) for name, transform in self.chains.items()}
