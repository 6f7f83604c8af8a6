import math
import socket
import threading
import time
from pathlib import Path

import pytest

from ptb.serving import demo
from ptb.serving.client import Reading
from ptb.serving.surprisal import Word


@pytest.fixture
def client(loaded):
    return demo.create_app(loaded, demo.LOCAL_HOSTS).test_client()


def error(response, status=400):
    assert response.status_code == status
    return response.get_json()["error"]


def test_a_text_gets_its_surprisal_and_the_next_words(client, loaded):
    answer = client.post("/read", json={"text": "the <script>"}).get_json()
    assert [word["text"] for word in answer["words"]] == ["the", "<script>"]
    assert answer["words"][1]["is_unknown"]
    assert answer["next_words"][0]["word"] == loaded.read("the <script>").next_words[0].text
    assert answer["words"][0]["bits"] is None
    assert answer["perplexity"] == pytest.approx(2 ** answer["words"][1]["bits"])
    assert client.post("/read", json={"text": ""}).get_json()["perplexity"] is None


def test_the_card_says_what_the_model_is(client, loaded):
    answer = client.get("/model").get_json()
    assert (answer["cell"], answer["num_layers"], answer["hidden_size"]) == ("lstm", 2, 6)
    assert answer["num_weights"] == loaded.card["num_weights"]
    assert (answer["corpus"], answer["fingerprint"]) == ("text", "f00d")
    assert answer["perplexities"] == {"test, exact": 12.5}


def test_a_continuation_is_that_of_the_export(client, loaded):
    body = {"text": "the cat", "num_words": 5, "temperature": 1, "top_k": 3, "seed": 4}
    expected = loaded.generate("the cat", 5, top_k=3, seed=4)
    assert client.post("/continue", json=body).get_json() == {"text": expected}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": "a" * 2001}, "2,001 characters, and the page reads at most 2,000"),
        ({"text": 5}, "text must be a string"),
        ({}, "text is missing"),
        ([], "text is missing"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(client, body, message):
    assert message in error(client.post("/read", json=body))


def test_a_text_with_a_nul_is_refused(client):
    assert "the text has a NUL" in error(client.post("/read", json={"text": "the\0 cat"}))


def test_a_figure_that_is_not_finite_is_null(client, loaded, monkeypatch):
    reading = Reading([Word("the", None, False), Word("cat", math.inf, False)], [])
    monkeypatch.setattr(loaded, "read", lambda text: reading)
    answer = client.post("/read", json={"text": "the cat"})
    assert b"Infinity" not in answer.data
    assert answer.get_json()["words"][1]["bits"] is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_words", 0), ("num_words", 10**6), ("num_words", 2.5), ("num_words", True),
     ("temperature", -1), ("temperature", "1"), ("top_k", -1), ("top_k", 14), ("seed", -1),
     ("seed", 2**31)],
)  # fmt: skip
def test_numbers_out_of_bounds_are_refused(client, name, value):
    body = {"text": "the", "num_words": 5, "temperature": 1, "top_k": 0, "seed": 1}
    assert f"{name} must be a number from" in error(
        client.post("/continue", json=body | {name: value})
    )


def test_only_json_of_a_limited_size_is_read(client):
    assert error(client.post("/read", data="text=the"), 415)
    assert error(client.post("/read", data="{", content_type="application/json"))
    assert "at most 2,000" in error(client.post("/read", json={"text": "a" * 100_000}), 413)
    half_a_pair = client.post("/read", data='{"text":"\\ud800"}', content_type="application/json")
    assert half_a_pair.status_code == 200
    deep = client.post("/read", data="[" * 12_000, content_type="application/json")
    assert error(deep) == "the JSON is nested too deep"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "evil.example:127", "[2001:db8::1]:8000",
             "10.0.0.1", "localhost.evil.example"],
)  # fmt: skip
def test_other_host_names_are_refused(client, host):
    for path in ("/model", "/page/page.js", "/nowhere"):
        assert error(client.get(path, headers={"Host": host}))


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:8000", "127.0.0.2"]
)
def test_loopback_names_are_answered(client, loaded, host):
    assert client.get("/model", headers={"Host": host}).status_code == 200


def test_without_trusted_hosts_every_name_is_answered(loaded):
    anywhere = demo.create_app(loaded).test_client()
    assert anywhere.get("/model", headers={"Host": "evil.example"}).status_code == 200


def test_the_page_may_load_from_this_server_alone(client):
    page = client.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"http" not in page.data
    for name in ("page.js", "page.css", "icon.svg"):
        assert client.get(f"/page/{name}").status_code == 200


def test_a_port_that_is_taken_is_an_error(loaded):
    app = demo.create_app(loaded)
    server = demo.listen(app, "127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        demo.listen(app, "127.0.0.1", server.port)
    server.server_close()


def test_the_interactive_page_is_served_whole_and_may_run_its_own_script_only(client):
    page = client.get("/explore")
    assert page.data == (Path(__file__).parents[2] / "docs/explore.html").read_bytes()
    assert page.content_type == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert b"default-src 'none'; style-src 'sha256-" in page.data
    assert page.headers["Cache-Control"] == client.get("/").headers["Cache-Control"]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("127.1", True), ("LOCALHOST", True), ("::1", True),
     ("::ffff:127.0.0.1", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_every_loopback_host_is_local(host, is_local):
    assert demo.is_local(host) == is_local


@pytest.fixture
def server(loaded, monkeypatch):
    """One that gives up on silent clients soon, and has two connections."""
    monkeypatch.setattr(demo, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(demo._Handler, "timeout", 0.3)
    server = demo.listen(demo.create_app(loaded, demo.LOCAL_HOSTS), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def test_half_sent_requests_lose_their_connection_and_hold_no_more_threads(server):
    half = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    threads = threading.active_count()
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(6)]
    for i, client in enumerate(clients):
        client.sendall(half + b"Content-Length: 20\r\n\r\n{" * (i % 2))
    time.sleep(0.1)
    assert threading.active_count() <= threads + demo.MAX_CONNECTIONS
    for client in clients:  # each in its turn
        client.settimeout(60)
        while client.recv(1000):
            pass
        client.close()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /model HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
