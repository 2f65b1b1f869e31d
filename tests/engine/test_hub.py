"""The hub: asked where it can be reached, else read from its cache, else given up at once."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from transformers import BertConfig, BertModel

from fairkd.engine import hub
from fairkd.engine.loading import load_config, load_tokenizer
from fairkd.errors import InputError
from fairkd.teachers.checkpoints import small_tokenizer


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The addresses to which a connection is tried, of a client that is not switched off; each is refused."""
    tried = []

    def connect(address, *_):
        tried.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "create_connection", connect)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    hub._why.cache_clear()
    yield tried
    hub._why.cache_clear()


def test_one_connection_is_tried_for_all_that_is_asked(asked):
    for _ in range(3):
        assert hub.why_unreachable() == "Connection refused"
    assert asked == [("huggingface.co", 443)]


def test_a_proxy_is_asked_in_place_of_the_hub(asked, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert hub.why_unreachable()
    assert asked == [("proxy.example", 3128)]


def test_no_answer_is_waited_for_no_longer_than_patience(asked, monkeypatch):
    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: time.sleep(5) or socket.socket())
    started = time.perf_counter()
    assert hub.why_unreachable() == "no answer in 0.2 seconds"
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("load", [load_config, load_tokenizer])
def test_a_model_that_is_nowhere_is_one_sentence_that_says_what_works_without(asked, load):
    with pytest.raises(InputError) as error:
        load("nobody/nothing")
    said = str(error.value)
    assert "the hub (huggingface.co) cannot be reached (Connection refused)" in said
    assert "'embedded'" in said
    assert "Name a folder" in said
    assert "\n" not in said


def test_a_folder_asks_nobody(asked, tmp_path):
    hub.check_at_hand(str(tmp_path))
    with hub.offline_if_unreachable(str(tmp_path)):
        assert not constants.HF_HUB_OFFLINE
    assert asked == []


def test_the_client_is_offline_only_meanwhile(asked):
    with hub.offline_if_unreachable("some/model"):
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE
    with pytest.raises(KeyError), hub.offline_if_unreachable("some/model"):
        raise KeyError
    assert not constants.HF_HUB_OFFLINE


@contextmanager
def answering(answer: bytes, monkeypatch):
    """The address of something that takes one connection, and says this once it was asked."""
    monkeypatch.undo()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)
                if not answer:
                    time.sleep(3)

        threading.Thread(target=serve, daemon=True).start()
        yield "http://{}:{}".format(*listening.getsockname())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "no answer in 1 seconds"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "Tunnel connection failed: 403 Forbidden"),
        (b"what?", "what?"),
    ],
)
def test_a_proxy_that_does_not_lead_to_the_hub_is_none(asked, monkeypatch, answer, why):
    with answering(answer, monkeypatch) as proxy:
        monkeypatch.setattr(hub, "PATIENCE", 1.0)
        monkeypatch.setenv("https_proxy", proxy)
        assert why in hub.why_unreachable()
        with pytest.raises(InputError, match="'embedded', which needs no network"):
            hub.check_at_hand("some/model")


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_a_hub_that_can_be_reached_is_left_to_its_client(asked, monkeypatch, status):
    with answering(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode(), monkeypatch) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        assert hub.why_unreachable() == ""
        with hub.offline_if_unreachable("some/model"):
            assert not constants.HF_HUB_OFFLINE
        hub.check_at_hand("some/model")


def test_without_a_network_the_command_line_gives_up_at_once():
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "no_proxy": "127.0.0.1"}
    for command in ("seat", "bias", "glue"):
        started = time.perf_counter()
        line = [sys.executable, "-X", "importtime", "-m", "fairkd", command, "bert-base-uncased"]
        done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
        took = time.perf_counter() - started
        said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        assert (done.returncode, done.stdout, len(said)) == (2, "", 1), done.stderr[-500:]
        assert "'embedded'" in said[0]
        assert " torch\n" not in done.stderr  # else it would take seconds more
        assert took < 10  # 1 on an idle machine, where the client's own tries take 27


def test_the_hub_in_its_own_layout_and_its_cache_when_it_is_gone(tmp_path):
    folder = tmp_path / "model"
    tokenizer = small_tokenizer(["she was here , he was there ."])
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    with torch.random.fork_rng():
        model = BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    environment = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0", "no_proxy": "127.0.0.1"}
    program = [sys.executable, str(Path(__file__).with_name("hub_server.py")), str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["asked"] > 3
    assert found["first"][:2] == [len(tokenizer), 16]
    assert found["first"][2] == pytest.approx(sum(p.sum().item() for p in model.encoder.parameters()), rel=1e-5)
    assert found["again"] == found["first"]
    assert found["why"]
    assert done.stderr == ""  # no line of retries
