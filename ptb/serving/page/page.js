// Asks the server what comes next after every change of the text. What the server and the person
// say is only ever set as textContent, so that it is text whatever it looks like.
"use strict";

const MOST_BITS = 15; // of the darkest shade
const TYPING_PAUSE = 120; // milliseconds
const SETTINGS = ["num_words", "temperature", "top_k", "seed"];
const SHARED = [...SETTINGS, "first", "second", "layer", "units"];

const byId = (id) => document.getElementById(id);
const text = byId("text");
const earlier = []; // texts, for Undo
let language = chosenLanguage();
let model = null;
let reading = null; // the last answer about the text
let latest = 0; // number of the last question, so that no late answer replaces a newer one
let timer = 0;

async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error(say("no_answer"));
  }
  const answer = await response.json().catch(() => ({ error: say("error", { status: response.status }) }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function element(name, content, className) {
  const made = document.createElement(name);
  made.textContent = content;
  if (className) made.className = className;
  return made;
}

function chosenLanguage() {
  const asked = new URLSearchParams(window.location.search).get("lang") ?? navigator.language;
  return asked.startsWith("zh") ? "zh" : "en";
}

// A text of strings.js with its {places} filled; {unit} and {units} are what the model reads.
function say(key, values = {}) {
  const tokens = model?.tokens ?? "word";
  const known = { unit: STRINGS[`unit_${tokens}`][language], units: STRINGS[`units_${tokens}`][language], ...values };
  return STRINGS[key][language].replace(/\{(\w+)\}/g, (_, name) => known[name]);
}

function number(value) {
  return value.toLocaleString(language);
}

// Everything that the page says, in the language of now.
function showWords() {
  document.documentElement.lang = language;
  document.title = say("title");
  for (const each of document.querySelectorAll("[data-say]")) each.textContent = say(each.dataset.say);
  for (const each of document.querySelectorAll("[data-say-label]")) each.setAttribute("aria-label", say(each.dataset.sayLabel));
  text.placeholder = say("text_hint");
  const other = language === "en" ? "zh" : "en";
  byId("language").textContent = say("other_language");
  byId("language").lang = other;
  byId("explore").href = `/explore?lang=${language}`;
  if (model === null) return;
  showModel();
  showCard();
  showInsideControls();
  showCount();
  if (reading) showReading();
}

// The address keeps the language, so that a link that is shared has it too.
function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  const address = new URL(window.location.href);
  address.searchParams.set("lang", language);
  window.history.replaceState(null, "", address);
  notify("");
  showWords();
  showInside();
}

function visible(token) {
  return token === "<eos>" ? "↵" : token.replaceAll(" ", "␣").replaceAll("\t", "⇥");
}

function showNext(nextWords) {
  const highest = Math.max(...nextWords.map((next) => next.probability));
  const rows = nextWords.map(({ word, adds, probability }) => {
    const button = element("button", "");
    const bar = element("span", "", "bar");
    bar.style.width = `${(100 * probability) / highest}%`;
    button.append(bar, element("span", visible(word), "word"));
    button.append(element("span", `${(100 * probability).toFixed(1)}%`));
    button.disabled = adds === null; // a part of a character, or a space that is there
    button.addEventListener("click", () => append(adds));
    const row = element("li", "");
    row.append(button);
    return row;
  });
  byId("next").replaceChildren(...rows);
}

function showSurprisal(words, perplexity) {
  const chips = words.map((word) => {
    const chip = element("li", visible(word.text), word.is_unknown ? "unknown" : "");
    if (word.bits !== null) { // nothing predicts the first word
      chip.append(element("small", say("bits", { bits: word.bits.toFixed(1) })));
      chip.style.setProperty("--share", Math.min(word.bits / MOST_BITS, 1));
    }
    return chip;
  });
  byId("surprisal").replaceChildren(...chips);
  const count = number(words.filter((word) => word.bits !== null).length);
  byId("perplexity").textContent =
    perplexity === null ? "" : say("perplexity", { perplexity: perplexity.toPrecision(4), count });
}

function showReading() {
  showNext(reading.next_words);
  showSurprisal(reading.words, reading.perplexity);
}

function numCharacters() {
  return [...text.value].length;
}

function showCount() {
  byId("count").textContent = say("count", { count: numCharacters(), most: model.max_characters });
}

async function read() {
  const question = ++latest;
  showCount();
  if (numCharacters() > model.max_characters) {
    tell(say("too_long", { count: number(numCharacters()), most: number(model.max_characters) }));
    return;
  }
  lookInside();
  try {
    const answer = await ask("/read", { text: text.value });
    if (question !== latest) return;
    reading = answer;
    showReading();
    tell("");
  } catch (error) {
    if (question === latest) tell(error.message);
  }
}

// A message, and with it whether what is shown is of an earlier text.
function tell(message) {
  byId("status").textContent = message;
  document.body.classList.toggle("stale", message !== "");
}

function change(value) {
  earlier.push(text.value);
  byId("undo").disabled = false;
  text.value = value;
  return read();
}

async function append(added) {
  const place = [...byId("next").querySelectorAll("button")].indexOf(document.activeElement);
  const end = reading.left_out; // a space, in whose place the token brings its own or has none
  const size = text.value.length - (text.value.endsWith(end) ? end.length : 0);
  await change(text.value.slice(0, size) + added);
  // The list is new: the keyboard stays where it was in it.
  if (place >= 0) byId("next").querySelectorAll("button")[place]?.focus();
}

function settings() {
  return Object.fromEntries(SETTINGS.map((name) => [name, byId(name).valueAsNumber]));
}

async function continueText(event) {
  event.preventDefault();
  if (!byId("continue").reportValidity()) return;
  const seed = byId("seed");
  const body = { text: text.value, ...settings() };
  try {
    const answer = await ask("/continue", body);
    if (text.value !== body.text) return; // typed on meanwhile
    seed.value = Math.min(body.seed + 1, Number(seed.max));
    await change(answer.text);
  } catch (error) {
    notify(error.message);
  }
}

async function compare(event) {
  event.preventDefault();
  if (!byId("continue").reportValidity()) return;
  const body = { text: text.value, ...settings() };
  try {
    const [first, second] = await Promise.all(
      ["first", "second"].map((name) =>
        ask("/continue", { ...body, temperature: byId(name).valueAsNumber })),
    );
    showSample("first", body.text, first.text);
    showSample("second", body.text, second.text);
  } catch (error) {
    notify(error.message);
  }
}

function showSample(name, prefix, whole) {
  const take = element("button", say("use_this"));
  const copyIt = element("button", say("copy"));
  take.dataset.say = "use_this";
  copyIt.dataset.say = "copy";
  take.type = copyIt.type = "button";
  take.addEventListener("click", () => change(whole));
  copyIt.addEventListener("click", () => copy(whole, say("copied")));
  const added = whole.startsWith(prefix) ? whole.slice(prefix.length).replace(/^ /, "") : whole;
  const buttons = element("p", "", "buttons");
  buttons.append(take, copyIt);
  document.querySelector(`[data-of="${name}"]`).replaceChildren(element("p", added), buttons);
}

// A message that says nothing of what is shown.
function notify(message) {
  byId("status").textContent = message;
}

async function copy(value, done) {
  try {
    await navigator.clipboard.writeText(value);
    notify(done);
  } catch { // without https, a browser lets only this machine's pages write to the clipboard
    notify(say("cannot_copy"));
  }
}

// The part after # never goes to the server. Settings out of bounds are left as they are.
function share() {
  const values = new URLSearchParams({ text: text.value });
  for (const name of SHARED) values.set(name, byId(name).value);
  window.history.replaceState(null, "", `#${values}`);
  return copy(window.location.href, say("link_copied"));
}

function takeShared() {
  const values = new URLSearchParams(window.location.hash.slice(1));
  for (const name of SHARED) {
    const input = byId(name);
    const before = input.value;
    if (values.has(name)) input.value = values.get(name);
    if (!input.validity.valid) input.value = before;
  }
  if (values.has("text")) text.value = values.get("text");
}

function showModel() {
  const test = model.perplexities["test, exact"];
  const values = { name: model.name, count: number(model.vocab_size), perplexity: test?.toFixed(2) };
  byId("model").textContent = say(test ? "model_line_test" : "model_line", values);
}

function showCard() {
  const { perplexities, cell, num_layers: layers, hidden_size: size } = model;
  const known = Object.entries(perplexities).filter(([, value]) => value !== null);
  const rows = {
    name: model.name,
    network: say("network", { layers, size, cell, count: number(model.num_weights) }),
    vocabulary: say("vocabulary", { count: number(model.vocab_size) }),
    corpus: model.corpus ?? say("not_recorded"),
    fingerprint: model.fingerprint ?? say("not_recorded"),
    perplexity: known.map(([name, value]) => `${name}: ${value.toFixed(2)}`).join("; ") || say("not_measured"),
  };
  const cells = Object.entries(rows).flatMap(([name, value]) => [element("dt", say(`card_${name}`)), element("dd", value)]);
  byId("card").replaceChildren(...cells);
}

text.addEventListener("input", () => {
  showCount();
  clearTimeout(timer);
  timer = setTimeout(read, TYPING_PAUSE);
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) continueText(event);
});
byId("continue").addEventListener("submit", continueText);
byId("compare").addEventListener("submit", compare);
byId("language").addEventListener("click", switchLanguage);
byId("copy").addEventListener("click", () => copy(text.value, say("text_copied")));
byId("share").addEventListener("click", share);
window.addEventListener("hashchange", () => {
  takeShared();
  read();
});
byId("undo").addEventListener("click", () => {
  text.value = earlier.pop();
  byId("undo").disabled = earlier.length === 0;
  read();
});

showWords();
ask("/model").then(
  (answer) => {
    model = answer;
    delete byId("model").dataset.say;
    byId("top_k").max = model.vocab_size;
    startInside();
    takeShared();
    showWords();
    read();
  },
  (error) => {
    byId("model").textContent = error.message; // it replaces "loading"
  },
);
