import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from ptb.machine.system import REPEAT_SECONDS
from ptb.training.stop import Stopped, StopRequest


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_is_kept_until_it_is_asked_for(number, status, capfd):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped) as stopped:
            until(stop.check)
        assert stopped.value.status == status
    assert signal.getsignal(number) is before
    assert "once more leaves at once" in capfd.readouterr().err


@pytest.mark.parametrize("ends", [(0, 1), (1, 0)])
def test_each_of_two_requests_gets_the_signal_in_whatever_order_they_end(ends):
    before = signal.getsignal(signal.SIGINT)
    with socket.socket() as others:
        others.setblocking(False)
        wakeup = signal.set_wakeup_fd(others.fileno())
        try:
            requests = [StopRequest().__enter__() for _ in range(2)]
            os.kill(os.getpid(), signal.SIGINT)
            for i in ends:
                with pytest.raises(Stopped):
                    until(requests[i].check)
                requests[i].__exit__()
            assert signal.getsignal(signal.SIGINT) is before
        finally:
            assert signal.set_wakeup_fd(wakeup) == others.fileno()


def test_a_request_that_comes_after_a_signal_is_not_stopped_by_it():
    with StopRequest() as first:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            until(first.check)
        with StopRequest() as second:
            second.check()
            os.kill(os.getpid(), signal.SIGINT)  # the first has one already: that ends nothing
            with pytest.raises(Stopped):
                until(second.check)


def until(check):
    for _ in range(500):
        check()
        time.sleep(0.01)


def test_a_closed_terminal_may_send_two_signals_and_neither_ends_the_process():
    with StopRequest() as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
        with pytest.raises(Stopped):
            until(stop.check)


def test_outside_the_main_thread_signals_stay_with_their_handlers():
    def train():
        with StopRequest() as stop:
            stop.check()
            handlers.append(signal.getsignal(signal.SIGTERM))

    handlers = [signal.getsignal(signal.SIGTERM)]
    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert len(handlers) == 2
    assert handlers[0] is handlers[1]


def test_a_signal_that_was_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            stop.check()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_leaves_at_once_even_from_a_long_call(number, status):
    program = (
        "import ctypes\n"
        "from ptb.training.stop import StopRequest\n"
        "with StopRequest():\n"
        "    print('ready', flush=True)\n"
        "    for _ in range(3): ctypes.CDLL(None).sleep(60)\n"  # which a signal ends
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stderr.readline() == "\n"
    assert "stopping after this window" in process.stderr.readline()
    process.send_signal(number)  # so soon, it is the same request
    time.sleep(1.1 * REPEAT_SECONDS)
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(30) == status
