import math
from pathlib import Path

import pytest

from serving import demo
from serving.client import Reading
from serving.surprisal import Word


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
    assert answer["next_words"][0]["word"] == loaded.read("the <script>").next_words[0][0]
    assert answer["words"][0]["bits"] is None
    assert answer["perplexity"] == pytest.approx(2 ** answer["words"][1]["bits"])
    assert client.post("/read", json={"text": ""}).get_json()["perplexity"] is None


def test_a_continuation_is_that_of_the_export(client, loaded):
    body = {"text": "the cat", "num_words": 5, "temperature": 1, "seed": 4}
    expected = loaded.generate("the cat", 5, seed=4)
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
     ("temperature", -1), ("temperature", "1"), ("seed", -1), ("seed", 2**31)],
)  # fmt: skip
def test_numbers_out_of_bounds_are_refused(client, name, value):
    body = {"text": "the", "num_words": 5, "temperature": 1, "seed": 1}
    assert f"{name} must be a number from" in error(
        client.post("/continue", json=body | {name: value})
    )


def test_only_json_of_a_limited_size_is_read(client):
    assert error(client.post("/read", data="text=the"), 415)
    assert error(client.post("/read", data="{", content_type="application/json"))
    assert "at most 2,000" in error(client.post("/read", json={"text": "a" * 100_000}), 413)
    half_a_pair = client.post("/read", data='{"text":"\\ud800"}', content_type="application/json")
    assert half_a_pair.status_code == 200


def test_other_host_names_are_refused(client, loaded):
    assert error(client.get("/model", headers={"Host": "evil.example"}))
    for host in ("127.0.0.1:8000", "localhost:1"):
        assert client.get("/model", headers={"Host": host}).status_code == 200
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
