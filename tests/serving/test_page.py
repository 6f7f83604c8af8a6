"""The page in a real browser, without a window."""

import threading

import pytest

from ptb.serving import demo
from tests import browser as browsers

By, Keys, WebDriverWait = browsers.By, browsers.Keys, browsers.WebDriverWait
pytestmark = browsers.needed


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = browsers.start(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(loaded):
    server = demo.listen(demo.create_app(loaded, demo.LOCAL_HOSTS), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(browser, address):
    browser.get(address)
    wait_for(browser, lambda: rows(browser, "#next .word"))
    return browser


def wait_for(page, condition):
    return WebDriverWait(page, 20, poll_frequency=0.05).until(lambda _: condition())


def rows(page, selector):
    """The texts of the elements, read at once, so that none can be replaced meanwhile."""
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
    )


def chips(page):
    return [row.partition(" bits")[0] for row in rows(page, "#surprisal li")]


def type_text(page, text):
    page.find_element(By.ID, "text").send_keys(text)


def test_typing_updates_the_distribution_and_the_surprisal(page, loaded):
    before = rows(page, "#next .word")
    expected = loaded.read("the cat")
    assert before == shown(loaded.read("").next_words) != shown(expected.next_words)
    type_text(page, "the cat")
    wait_for(page, lambda: rows(page, "#next .word") == shown(expected.next_words))
    first, *others = expected.words
    assert chips(page) == [first.text, *(f"{word.text}{word.bits:.1f}" for word in others)]


def shown(next_words):
    return ["↵" if word == "<eos>" else word for word, _ in next_words]


def test_markup_in_the_text_is_shown_as_text(page):
    type_text(page, "the <script>document.title='broken'</script>")
    wait_for(page, lambda: len(chips(page)) == 2)
    assert chips(page)[1].startswith("<script>document.title='broken'</script>")
    assert page.title == "Next word"
    assert page.execute_script("return document.querySelectorAll('script').length") == 1


def test_a_text_that_is_too_long_is_refused_politely_and_shortening_it_helps(page):
    page.execute_script("document.getElementById('text').value = 'a'.repeat(2000)")
    type_text(page, "b")
    wait_for(page, lambda: "please shorten it" in rows(page, "#status")[0])
    assert rows(page, "#count") == ["2001 of 2000 characters"]
    type_text(page, Keys.BACKSPACE)
    wait_for(page, lambda: rows(page, "#status") == [""])


def test_the_keyboard_alone_chooses_a_word_continues_and_takes_it_back(page, loaded):
    first = loaded.read("the").next_words[0][0]
    type_text(page, "the")
    wait_for(page, lambda: chips(page))
    type_text(page, Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(page, lambda: len(chips(page)) == 2)
    chosen = value(page)
    assert chosen == ("the\n" if first == "<eos>" else f"the {first}")
    type_text(page, Keys.CONTROL + Keys.ENTER)
    wait_for(page, lambda: value(page) != chosen)
    assert value(page) == loaded.generate(f"\n{chosen}", 20).removeprefix("\n")
    page.find_element(By.ID, "undo").send_keys(Keys.SPACE)
    wait_for(page, lambda: value(page) == chosen)


def value(page):
    return page.execute_script("return document.getElementById('text').value")


def test_nothing_is_cut_off_on_a_phone(page):
    phone = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    type_text(page, "the " + "x" * 80)
    wait_for(page, lambda: len(chips(page)) == 2)
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_interactive_page_runs_from_the_server_too(page, address):
    page.find_element(By.CSS_SELECTOR, "a[href='/explore']").click()
    wait_for(page, lambda: "windows of 4" in "".join(rows(page, "#rows-title")))
    assert page.current_url.startswith(f"{address}/explore")
