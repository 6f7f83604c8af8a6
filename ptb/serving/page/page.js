// Asks the server what comes next after every change of the text. What the server and the person
// say is only ever set as textContent, so that it is text whatever it looks like.
"use strict";

const MOST_BITS = 15; // of the darkest shade
const TYPING_PAUSE = 120; // milliseconds

const byId = (id) => document.getElementById(id);
const text = byId("text");
const history = [];
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
  if (token === "<eos>") return "↵";
  return token === " " ? "␣" : token;
}

function showNext(nextWords) {
  const highest = Math.max(...nextWords.map((next) => next.probability));
  const rows = nextWords.map(({ word, probability }) => {
    const button = element("button", "");
    const bar = element("span", "", "bar");
    bar.style.width = `${(100 * probability) / highest}%`;
    button.append(bar, element("span", visible(word), "word"));
    button.append(element("span", `${(100 * probability).toFixed(1)}%`));
    button.addEventListener("click", () => append(word));
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
  history.push(text.value);
  byId("undo").disabled = false;
  text.value = value;
  return read();
}

async function append(token) {
  const before = text.value;
  let added = token === "<eos>" ? "\n" : token;
  if (model.tokens === "word" && before && !/\s$/.test(before) && added !== "\n") added = ` ${added}`;
  const place = [...byId("next").querySelectorAll("button")].indexOf(document.activeElement);
  await change(before + added);
  // The list is new: the keyboard stays where it was in it.
  if (place >= 0) byId("next").querySelectorAll("button")[place]?.focus();
}

async function continueText(event) {
  event.preventDefault();
  if (!byId("continue").reportValidity()) return;
  const seed = byId("seed");
  const body = { text: text.value };
  for (const name of ["num_words", "temperature", "seed"]) body[name] = byId(name).valueAsNumber;
  try {
    const answer = await ask("/continue", body);
    if (text.value !== body.text) return; // typed on meanwhile
    seed.value = Math.min(body.seed + 1, Number(seed.max));
    await change(answer.text);
  } catch (error) {
    byId("status").textContent = error.message;
  }
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
byId("undo").addEventListener("click", () => {
  text.value = history.pop();
  byId("undo").disabled = history.length === 0;
  read();
});

ask("/model").then(
  (answer) => {
    model = answer;
    nameUnits();
    const test = model.perplexities["test, exact"];
    const quality = test ? `, test perplexity ${test.toFixed(2)}` : "";
    byId("model").textContent = `${model.name}: ${model.vocab_size.toLocaleString("en")} ${unit()}${quality}`;
    read();
  },
  (error) => {
    byId("model").textContent = error.message;
  },
);
