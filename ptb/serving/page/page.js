// Asks the server what comes next after every change of the text. What the server and the person
// say is only ever set as textContent, so that it is text whatever it looks like.
"use strict";

const MOST_BITS = 15; // of the darkest shade
const TYPING_PAUSE = 120; // milliseconds
const SETTINGS = ["num_words", "temperature", "top_k", "seed"];
const SHARED = [...SETTINGS, "first", "second"];

const byId = (id) => document.getElementById(id);
const text = byId("text");
const earlier = []; // texts, for Undo
let model = null;
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
    throw new Error("The server does not answer. Is serve.py still running?");
  }
  const answer = await response.json().catch(() => ({ error: `Error ${response.status}` }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function element(name, content, className) {
  const made = document.createElement(name);
  made.textContent = content;
  if (className) made.className = className;
  return made;
}

function unit() {
  return model.tokens === "char" ? "characters" : "words";
}

// The page says "word" where it is not known to be read by characters.
function nameUnits() {
  if (model.tokens !== "char") return;
  for (const each of document.querySelectorAll("[data-char]")) each.textContent = each.dataset.char;
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
    button.disabled = adds === null; // a part of a character
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
      chip.append(element("small", `${word.bits.toFixed(1)} bits`));
      chip.style.setProperty("--share", Math.min(word.bits / MOST_BITS, 1));
    }
    return chip;
  });
  byId("surprisal").replaceChildren(...chips);
  const predicted = words.length - 1;
  const summary = perplexity === null ? "" : `Perplexity ${perplexity.toPrecision(4)} over ${predicted} ${unit()}`;
  byId("perplexity").textContent = summary;
}

function showCount() {
  const length = [...text.value].length;
  byId("count").textContent = `${length} of ${model.max_characters} characters`;
}

async function read() {
  const question = ++latest;
  showCount();
  try {
    const answer = await ask("/read", { text: text.value });
    if (question !== latest) return;
    showNext(answer.next_words);
    showSurprisal(answer.words, answer.perplexity);
    say("");
  } catch (error) {
    if (question === latest) say(error.message);
  }
}

// A message, and with it whether what is shown is of an earlier text.
function say(message) {
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
  await change(text.value + added);
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
  const take = element("button", "Use this");
  const copyIt = element("button", "Copy");
  take.type = copyIt.type = "button";
  take.addEventListener("click", () => change(whole));
  copyIt.addEventListener("click", () => copy(whole, "Copied."));
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
    notify("The browser does not let this page copy: select the text, and copy it by hand.");
  }
}

// The part after # never goes to the server. Settings out of bounds are left as they are.
function share() {
  const values = new URLSearchParams({ text: text.value });
  for (const name of SHARED) values.set(name, byId(name).value);
  window.history.replaceState(null, "", `#${values}`);
  return copy(window.location.href, "Link copied: it is in the address bar too.");
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

function showCard() {
  const { perplexities, cell, num_layers: layers, hidden_size: size } = model;
  const known = Object.entries(perplexities).filter(([, value]) => value !== null);
  const rows = {
    "Name": model.name,
    "Network": `${layers} x ${size} ${cell}, ${model.num_weights.toLocaleString("en")} weights`,
    "Vocabulary": `${model.vocab_size.toLocaleString("en")} ${unit()}`,
    "Trained on": model.corpus ?? "not recorded",
    "Fingerprint of the text": model.fingerprint ?? "not recorded",
    "Perplexity": known.map(([name, value]) => `${name}: ${value.toFixed(2)}`).join("; ") || "not measured",
  };
  const cells = Object.entries(rows).flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
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
byId("copy").addEventListener("click", () => copy(text.value, "Text copied."));
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

ask("/model").then(
  (answer) => {
    model = answer;
    nameUnits();
    byId("top_k").max = model.vocab_size;
    takeShared();
    showCard();
    const test = model.perplexities["test, exact"];
    const quality = test ? `, test perplexity ${test.toFixed(2)}` : "";
    byId("model").textContent = `${model.name}: ${model.vocab_size.toLocaleString("en")} ${unit()}${quality}`;
    read();
  },
  (error) => {
    byId("model").textContent = error.message;
  },
);
