"""The page in a real browser, without a window."""

import contextlib
import threading

import numpy as np
import pytest

from ptb.serving import demo
from ptb.serving.client import LoadedExport
from ptb.serving.saved_model import export
from tests import browser as browsers
from tests.serving.conftest import make_trained

By, Keys, WebDriverWait = browsers.By, browsers.Keys, browsers.WebDriverWait
pytestmark = browsers.needed


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = browsers.start(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@contextlib.contextmanager
def serving(loaded):
    """The address of the page of an export."""
    server = demo.listen(demo.create_app(loaded, demo.LOCAL_HOSTS), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def address(loaded):
    with serving(loaded) as address:
        yield address


@pytest.fixture
def page(browser, address):
    browser.get("about:blank")
    browser.get(f"{address}/?lang=en")
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


def test_the_words_that_are_predicted_are_counted_with_documents_and_without(
    page, tmp_path_factory
):
    type_text(page, "the cat")
    wait_for(page, lambda: rows(page, "#perplexity")[0].endswith("over 1 words"))
    path = tmp_path_factory.mktemp("documents")
    export(make_trained(reset_at="line"), path, {})
    with serving(LoadedExport(path)) as address:
        page.get(f"{address}/?lang=en#text=the+cat")
        wait_for(page, lambda: rows(page, "#perplexity")[0].endswith("over 2 words"))


def test_a_next_token_takes_the_place_of_a_space_that_was_typed(page, tmp_path_factory):
    path = tmp_path_factory.mktemp("wordpunct")
    words = ("<eos>", "the", "<unk>", "cat", ", ", " (", " ", "sat")
    export(make_trained(words, tokens="wordpunct"), path, {})
    with serving(LoadedExport(path)) as address:
        for token, text in ((",␣", "the cat, "), ("sat", "the cat sat"), ("↵", "the cat\n")):
            page.get("about:blank")
            page.get(f"{address}/?lang=en#text=the+cat+")
            wait_for(page, lambda: rows(page, "#next .word"))
            wait_for(page, lambda: len(chips(page)) == 2)
            place = rows(page, "#next .word").index(token)
            page.find_elements(By.CSS_SELECTOR, "#next button")[place].click()
            wait_for(page, lambda text=text: value(page) == text)


def shown(next_words):
    return ["↵" if word.text == "<eos>" else word.text for word in next_words]


def test_markup_in_the_text_is_shown_as_text(page):
    type_text(page, "the <script>document.title='broken'</script>")
    wait_for(page, lambda: len(chips(page)) == 2)
    assert chips(page)[1].startswith("<script>document.title='broken'</script>")
    assert page.title == "Next word"
    assert page.execute_script("return document.querySelectorAll('script').length") == 3


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
    browsers.resize(page, 360)
    type_text(page, "the " * 30 + "x" * 80)
    wait_for(page, lambda: len(chips(page)) == 31)
    wait_for(page, lambda: len(rows(page, "#picture .bits")) == 31)
    chosen, picture = (
        page.execute_script(
            f"return document.querySelector('{each}').getBoundingClientRect().right"
        )
        for each in ("#chosen", ".scroll")
    )
    assert chosen <= picture
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    browsers.resize(page, None)


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
    put(page, num_words=7, temperature=0.3, top_k=2, seed=9, first=0.2, second=3, layer=0, units=5)
    press(page, "#share")
    shared = page.current_url
    assert shared.startswith(f"{address}/?lang=en#text=")
    page.get("about:blank")
    page.get(shared)
    wait_for(page, lambda: len(chips(page)) == 7)
    assert value(page) == "the cat\nsat é & 50%"
    names = ("num_words", "temperature", "top_k", "seed", "first", "second", "layer", "units")
    ask = "return arguments[0].map(name => document.getElementById(name).value)"
    assert page.execute_script(ask, names) == ["7", "0.3", "2", "9", "0.2", "3", "0", "5"]


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
      const about = document.getElementById(input.getAttribute("aria-describedby").split(" ")[0]);
      return [input.labels.length, about.textContent.length > 20];
    })"""
    assert page.execute_script(ask) == [[1, True]] * 7


def test_the_interactive_page_runs_from_the_server_too(page, address):
    press(page, "#explore")
    wait_for(page, lambda: "windows of 4" in "".join(rows(page, "#rows-title")))
    assert page.current_url.startswith(f"{address}/explore")


def squares(page, kind):
    """The strengths of the squares of a kind, in the order in which they are drawn."""
    ask = """return [...document.querySelectorAll("#picture rect")]
      .filter(e => arguments[0].includes(e.getAttribute("class")))
      .map(e => (e.matches(".negative") ? -1 : 1) * e.getAttribute("fill-opacity"))"""
    return page.execute_script(ask, kind)


def test_the_gates_and_gradients_of_each_word_are_drawn_while_typing(page, loaded):
    put(page, units="4, 1")
    type_text(page, "the cat")
    wait_for(page, lambda: len(squares(page, ["gradient"])) == 1)
    type_text(page, " sat on")
    wait_for(page, lambda: len(squares(page, ["gradient"])) == 6)
    look = loaded.look_inside("the cat sat on", 48, 1, [4, 1])
    expected = []
    for values in look.activations.values():
        for row in values.values():
            expected += list(row / max(1, np.abs(row).max()))
    np.testing.assert_allclose(squares(page, ["positive", "negative"]), expected, atol=1e-3)
    norms = look.importance[np.tril_indices(4, -1)]
    shares = np.maximum(1 + np.log10(norms / norms.max()) / 3, 0)
    np.testing.assert_allclose(squares(page, ["gradient"]), shares, atol=1e-3)


def test_the_numbers_of_a_word_are_told_to_the_keyboard_and_in_tables(page, loaded):
    put(page, units="4")
    type_text(page, "the cat sat on")
    wait_for(page, lambda: len(squares(page, ["gradient"])) == 6)
    place = page.find_element(By.ID, "place")
    assert value_of(page, "place") == "3"
    place.send_keys(Keys.ARROW_LEFT)
    look = loaded.look_inside("the cat sat on", 48, 1, [4])
    bits = f"{look.words[2].bits:.2f} bits"
    assert place.get_attribute("aria-valuetext") == f"3. “sat”: {bits}"
    first, unit, depends = rows(page, "#at-place p")
    assert first == f"3. “sat”: {bits}"
    assert unit.startswith("unit 4 of layer 1: i ")
    best = int(look.importance[2, :2].argmax())
    assert depends.startswith(f"Depends most on: “{['the', 'cat'][best]}” ({2 - best} back) ")
    press(page, "#tables summary")
    wait_for(page, lambda: rows(page, "#gradients td"))
    assert rows(page, "#values th[scope=col]") == ["bits", *(f"unit 4: {n}" for n in "ijfoch")]
    shown_norms = [float(each) for each in rows(page, "#gradients td") if each]
    np.testing.assert_allclose(shown_norms, look.importance[np.tril_indices(4, -1)], rtol=6e-3)


def value_of(page, name):
    return page.execute_script("return document.getElementById(arguments[0]).value", name)


def test_units_that_are_not_there_are_refused_and_those_shown_can_be_kept(page, loaded):
    put(page, units="99")
    type_text(page, "the cat")
    wait_for(page, lambda: "from 0 to 5" in rows(page, "#inside-status")[0])
    put(page, units="")
    type_text(page, " sat")
    wait_for(page, lambda: rows(page, "#inside-status") == [""] and squares(page, ["gradient"]))
    press(page, "#keep")
    expected = loaded.look_inside("the cat sat", 48, 1, []).activations
    assert value_of(page, "units") == ", ".join(map(str, expected))


def test_an_export_without_gates_says_so(page, address, loaded, monkeypatch):
    monkeypatch.setattr(loaded, "can_look_inside", False)
    page.get("about:blank")
    page.get(f"{address}/?lang=en#text=the+cat")
    wait_for(page, lambda: len(chips(page)) == 2)
    assert page.find_element(By.ID, "no-inside").is_displayed()
    assert not page.find_element(By.ID, "inside").is_displayed()


def test_the_page_is_chinese_where_it_is_asked_to_be(page, address):
    page.get("about:blank")
    page.get(f"{address}/?lang=zh#text=the+cat")
    wait_for(page, lambda: len(rows(page, "#picture .bits")) == 2)
    assert (page.title, rows(page, "h1")) == ("下一个词", ["下一个词"])
    assert page.execute_script("return document.documentElement.lang") == "zh"
    assert rows(page, "#count") == ["7 / 2000 个字符"]
    press(page, "#language")
    assert (page.title, value(page)) == ("Next word", "the cat")
    assert page.current_url == f"{address}/?lang=en#text=the+cat"
    assert rows(page, "#perplexity")[0].endswith("over 1 words")
    press(page, "#language")
    assert rows(page, "#perplexity")[0].startswith("1 个词的困惑度")


@pytest.mark.slow
@browsers.axe_needed
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_axe_finds_nothing_serious(browser, address, width, theme, language):
    browsers.emulate(browser, prefers_color_scheme=theme)
    browsers.resize(browser, width)
    browser.get("about:blank")
    browser.get(f"{address}/?lang={language}#text=the+cat+zebra+on+the+mat&num_words=5")
    wait_for(browser, lambda: len(rows(browser, "#picture .bits")) == 6)
    press(browser, "#tables summary")
    press(browser, "#compare button")
    wait_for(browser, lambda: len(rows(browser, ".sample > p:first-child")) == 2)
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    assert browsers.serious_findings(browser) == []
    put(browser, units="99")
    type_text(browser, " sat")
    wait_for(browser, lambda: rows(browser, "#inside-status")[0])
    browser.execute_script("document.getElementById('text').value = 'a'.repeat(2000)")
    type_text(browser, "b")
    wait_for(browser, lambda: rows(browser, "#status")[0])
    assert browsers.serious_findings(browser) == []
    browsers.emulate(browser)
    browsers.resize(browser, None)
