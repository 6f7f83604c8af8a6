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
    return ["↵" if word.text == "<eos>" else word.text for word in next_words]


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
    first = loaded.read("the").next_words[0].text
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


def press(page, selector):
    page.execute_script("document.querySelector(arguments[0]).click()", selector)


def put(page, **values):
    for name, value in values.items():
        page.execute_script(
            "document.getElementById(arguments[0]).value = arguments[1]", name, str(value)
        )


def test_two_temperatures_continue_the_text_side_by_side(page, loaded):
    type_text(page, "the cat")
    put(page, num_words=6, top_k=4, seed=3, first=0, second=2.5)
    press(page, "#compare button")
    wait_for(page, lambda: len(rows(page, ".sample > p:first-child")) == 2)
    expected = [loaded.generate("the cat", 6, each, 4, 3) for each in (0.0, 2.5)]
    shown_texts = rows(page, ".sample > p:first-child")
    assert [f"the cat {each}" for each in shown_texts] == expected
    assert value(page) == "the cat"
    press(page, "[data-of=second] button")
    wait_for(page, lambda: value(page) == expected[1])


def test_text_and_link_are_copied(page, address):
    origin = {"origin": address, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.execute_cdp_cmd("Browser.grantPermissions", origin)
    type_text(page, "the cat & 50%")
    wait_for(page, lambda: len(chips(page)) == 4)  # its answer clears an earlier message
    for button, message in (("#copy", "Text copied."), ("#share", "Link copied")):
        page.find_element(By.CSS_SELECTOR, button).click()
        wait_for(page, lambda: message in rows(page, "#status")[0])  # noqa: B023
        copied = page.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
        assert copied == ("the cat & 50%" if button == "#copy" else page.current_url)


def test_a_shared_link_brings_text_and_settings_back(page, address):
    type_text(page, "the cat\nsat é & 50%")
    put(page, num_words=7, temperature=0.3, top_k=2, seed=9, first=0.2, second=3)
    press(page, "#share")
    shared = page.current_url
    assert shared.startswith(f"{address}/#text=")
    page.get("about:blank")
    page.get(shared)
    wait_for(page, lambda: len(chips(page)) == 7)
    assert value(page) == "the cat\nsat é & 50%"
    names = ("num_words", "temperature", "top_k", "seed", "first", "second")
    ask = "return arguments[0].map(name => document.getElementById(name).value)"
    assert page.execute_script(ask, names) == ["7", "0.3", "2", "9", "0.2", "3"]


def test_a_link_with_settings_out_of_bounds_leaves_them_as_they_are(page, address):
    page.get("about:blank")
    page.get(f"{address}/#text=the&num_words=9999&temperature=nan&top_k=-1&unknown=1")
    wait_for(page, lambda: chips(page) == ["the"])
    ask = "return ['num_words', 'temperature', 'top_k'].map(n => document.getElementById(n).value)"
    assert page.execute_script(ask) == ["20", "1", "0"]


def test_the_card_of_the_model_is_on_the_page(page, loaded):
    card = rows(page, "#card dd")
    assert card[1:] == [
        f"2 x 6 lstm, {loaded.card['num_weights']:,} weights", "13 words", "text", "f00d",
        "test, exact: 12.50",
    ]  # fmt: skip


def test_every_setting_has_a_label_and_an_explanation(page):
    ask = """return [...document.querySelectorAll(".fields input")].map(input => {
      const about = document.getElementById(input.getAttribute("aria-describedby"));
      return [input.labels.length, about.textContent.length > 20];
    })"""
    assert page.execute_script(ask) == [[1, True]] * 4


def test_the_interactive_page_runs_from_the_server_too(page, address):
    page.find_element(By.CSS_SELECTOR, "a[href='/explore']").click()
    wait_for(page, lambda: "windows of 4" in "".join(rows(page, "#rows-title")))
    assert page.current_url.startswith(f"{address}/explore")
