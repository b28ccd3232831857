"""What a pod is by the states of its containers; podman's words."""

from __future__ import annotations

import pytest

from crun_py import pods


@pytest.mark.parametrize(
    "states,word",
    [
        ("", "Created"),
        ("created created", "Created"),
        ("running", "Running"),
        ("running stopping restarting", "Running"),
        ("running exited", "Degraded"),
        ("running created", "Degraded"),
        ("running paused", "Degraded"),
        ("paused paused", "Paused"),
        ("paused created", "Paused"),
        ("exited exited", "Exited"),
        ("exited created", "Stopped"),
        ("exited paused", "Stopped"),
    ],
)
def test_state(states: str, word: str) -> None:
    assert pods.state_of(states.split()) == word
