"""The state folder keeps worlds apart."""

import socket
from pathlib import Path

import pytest

from steward_stack.state import LIVE, State


@pytest.fixture
def state(tmp_path: Path) -> State:
    """Give a state with two worlds, PostgreSQL's data of each outside, as root has them."""
    state = State(tmp_path / ".steward")
    state.claim()
    for name in (LIVE, "example"):
        world, data = state.world(name), tmp_path / f"data of {name}"
        world.mkdir(parents=True)
        data.mkdir()
        (data / "kept").write_text("a fact")
        (world / "postgres").symlink_to(data)
        (world / "texts.jsonl").write_text("{}\n")
    return state


def test_a_fresh_play_leaves_what_is_live_alone(state: State) -> None:
    with state.held(fresh=state.world("example")):
        assert list(state.world("example").glob("*")) == []
        assert not (state.folder.parent / "data of example").exists()
        assert (state.world(LIVE) / "postgres" / "kept").read_text() == "a fact"


def test_the_state_of_another_version_goes_whole(state: State) -> None:
    (state.folder / "version").write_text("0\n")
    with state.held(fresh=state.world("example")):
        assert list(state.world(LIVE).glob("*")) == []
        assert not (state.folder.parent / f"data of {LIVE}").exists()


def test_what_is_removed_takes_its_data_along(state: State) -> None:
    state.remove()
    assert list(state.folder.parent.iterdir()) == []


def test_who_asks_for_the_keys_alone_leaves_the_ports_of_a_running_stack(state: State) -> None:
    chosen = state.settings(("intake",))
    with socket.create_server(("127.0.0.1", chosen.ports["intake"])):
        assert state.settings(()) == chosen
    assert state.known_ports() == chosen.ports


def test_a_port_that_is_held_is_for_whoever_was_told_of_it(state: State) -> None:
    def listen(*, told: bool) -> None:
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, told)
            server.bind(("127.0.0.1", port))
            server.listen()

    with state.held():
        port = state.settings(("intake",)).ports["intake"]
        listen(told=True)
        with pytest.raises(OSError, match="in use"):
            listen(told=False)
    listen(told=False)
