"""Child processes, and the signals that reach them."""

import os
import signal
import subprocess
import sys

import pytest

from ptb.machine.process import Children

# Prints the first signal that it gets.
LISTENER = """
import signal, threading
def say(number, frame):
    print(signal.Signals(number).name, flush=True)
    raise SystemExit(3)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, say)
print("ready", flush=True)
threading.Event().wait()
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers():
    """Those of a program in a terminal, which every test must leave as they were.

    The tests themselves may run under nohup, which ignores SIGHUP.
    """
    of_the_tests = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    left = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in of_the_tests.items():
        signal.signal(number, handler)
    assert left == dict.fromkeys(SIGNALS, signal.SIG_DFL)


def start_listener(children):
    child = children.start([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE)
    assert child.stdout.readline() == "ready\n"
    return child


def answer(child):
    output, _ = child.communicate(timeout=30)
    assert child.returncode == 3
    return output


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_stop_reaches_every_child(number):
    with Children() as children:
        started = [start_listener(children) for _ in range(2)]
        os.kill(os.getpid(), number)
        assert [answer(child) for child in started] == [f"{number.name}\n"] * 2
        assert children.received == number


@pytest.mark.parametrize("number", SIGNALS)
def test_a_child_that_starts_after_a_signal_gets_it(number):
    with Children() as children:
        os.kill(os.getpid(), number)
        child = children.start(["sleep", "600"])
        assert child.wait(timeout=30) == -number


def test_a_signal_that_is_ignored_reaches_no_child():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with Children() as children:
            child = start_listener(children)
            os.kill(os.getpid(), signal.SIGHUP)
            assert children.received == 0
            children.send(signal.SIGINT)
            assert answer(child) == "SIGINT\n"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_error_of_the_parent_asks_the_children_to_stop():
    with pytest.raises(OSError, match="no terminal"), Children() as children:
        child = start_listener(children)
        raise OSError("no terminal")
    assert answer(child) == "SIGTERM\n"


def test_an_error_after_a_signal_sends_no_second_one():
    with pytest.raises(OSError, match="no terminal"), Children() as children:
        child = start_listener(children)
        os.kill(os.getpid(), signal.SIGHUP)
        raise OSError("no terminal")
    assert answer(child) == "SIGHUP\n"
