// The panel that shows what happens inside the model: per word the gates and the state of units, and
// how much each earlier word matters. Drawn anew after every change of the text.
"use strict";

const COLUMN = 22, ROW = 14, LEFT = 92, LABELS = 84, BARS = 48, GAP = 24; // pixels of the picture
const DECADES = 3; // from the largest gradient norm to the one that has no colour
const MOST_NAMED = 3; // earlier words that are named
const SVG = "http://www.w3.org/2000/svg";

let look = null; // the last answer, with the layer that was asked for
let isAsking = false;
let asksAgain = false; // something has changed since the question that is on its way

function startInside() {
  byId("inside").hidden = !model.has_inside;
  byId("no-inside").hidden = model.has_inside;
  const top = (model.num_layers ?? 1) - 1;
  byId("layer").max = byId("layer").value = top;
  for (const id of ["layer", "units"]) byId(id).addEventListener("input", lookInside);
  byId("place").addEventListener("input", showPlace);
  byId("picture").addEventListener("click", choosePlace);
  byId("tables").addEventListener("toggle", showTables);
  byId("keep").addEventListener("click", () => {
    if (look) byId("units").value = look.units.map(({ unit }) => unit).join(", ");
  });
}

function bounds() {
  return { top: byId("layer").max, highest: (model.hidden_size ?? 1) - 1 };
}

function showInsideControls() {
  byId("about-layer").textContent = say("layer_about", bounds());
  byId("about-units").textContent = say("units_about", bounds());
}

// One question at a time: what changes meanwhile is asked when the answer is there.
async function lookInside() {
  if (!model.has_inside) return;
  asksAgain = true;
  if (isAsking) return;
  isAsking = true;
  while (asksAgain) {
    asksAgain = false;
    await askInside();
  }
  isAsking = false;
}

async function askInside() {
  const { value, validity } = byId("units");
  const units = (value.match(/\d+/g) ?? []).map(Number);
  const { highest } = bounds();
  try {
    if (!byId("layer").validity.valid) throw new Error(say("wrong_layer", bounds()));
    if (!validity.valid || units.some((unit) => unit > highest)) throw new Error(say("wrong_units", bounds()));
    const layer = byId("layer").valueAsNumber;
    look = { ...(await ask("/inside", { text: text.value, layer, units })), layer };
    showInside();
  } catch (error) {
    tellInside(error.message);
  }
}

// A message, and with it whether the picture is of an earlier text.
function tellInside(message, isStale = true) {
  byId("inside-status").textContent = message;
  byId("look").classList.toggle("old", isStale && message !== "");
}

function showInside() {
  if (!look) return;
  const count = look.words.length;
  const all = look.start + count;
  const isEnough = count > 1;
  byId("look").hidden = !isEnough;
  const message = look.start ? say("last_only", { count, all: number(all) }) : "";
  tellInside(isEnough ? message : say("type_more"), false);
  if (!isEnough) return;
  const place = byId("place");
  const follows = place.value === place.max; // the newest word
  place.max = count - 1;
  if (follows) place.value = place.max;
  byId("legend-window").hidden = !Number.isInteger(model.num_steps);
  byId("legend-window").lastElementChild.textContent = say("legend_window", { num_steps: model.num_steps });
  drawPicture();
  showPlace();
  showTables();
}

function svg(name, attributes, content) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (content !== undefined) made.textContent = content;
  return made;
}

// A square of the picture; `share` is its strength from 0 to 1.
function square(className, column, y, share) {
  return svg("rect", {
    class: className, x: LEFT + column * COLUMN, y, width: COLUMN - 1, height: ROW - 1,
    "fill-opacity": share.toFixed(3),
  });
}

function short(word) {
  const letters = [...visible(word.text)];
  return letters.length > 11 ? `${letters.slice(0, 10).join("")}…` : letters.join("");
}

function rowLabel(y, content) {
  return svg("text", { x: LEFT - 6, y: y + ROW - 3, "text-anchor": "end" }, content);
}

function heading(y, content) {
  return svg("text", { x: 0, y: y + ROW, class: "heading" }, content);
}

function drawPicture() {
  const parts = [];
  look.words.forEach((word, t) => {
    const x = LEFT + t * COLUMN + COLUMN / 2 + 4;
    const y = LABELS - 4;
    parts.push(svg("text", { x, y, transform: `rotate(-90 ${x} ${y})` }, short(word)));
  });
  let y = drawBars(parts, LABELS);
  for (const { unit, values } of look.units) y = drawUnit(parts, y + GAP, unit, values);
  look.mapTop = y + GAP + ROW + 6;
  y = drawGradients(parts, y + GAP);
  parts.push(svg("rect", { id: "chosen", class: "chosen", y: LABELS, width: COLUMN + 1, height: y - LABELS }));
  parts.push(svg("rect", { id: "chosen-row", class: "chosen", height: ROW + 1 }));
  const picture = byId("picture");
  const width = Math.max(LEFT + look.words.length * COLUMN + 2, 380); // room for the headings
  const shown = look.units.map(({ unit }) => say("unit_of_layer", { number: unit, layer: look.layer }));
  picture.setAttribute("width", width);
  picture.setAttribute("height", y + 2);
  picture.setAttribute("viewBox", `0 0 ${width} ${y + 2}`);
  picture.setAttribute("aria-label", say("picture", { shown: shown.join(", ") }));
  picture.replaceChildren(...parts);
}

// Each function draws a part below y, and returns where it ends.
function drawBars(parts, y) {
  const highest = Math.max(1, ...look.words.map((word) => word.bits ?? 0));
  parts.push(heading(y, say("surprisal_bits", { bits: highest.toFixed(1) })));
  const bottom = y + ROW + 6 + BARS;
  look.words.forEach((word, t) => {
    const height = (BARS * (word.bits ?? 0)) / highest;
    parts.push(svg("rect", { class: "bits", x: LEFT + t * COLUMN, y: bottom - height, width: COLUMN - 1, height }));
  });
  return bottom;
}

function drawUnit(parts, y, unit, values) {
  parts.push(heading(y, say("unit_of_layer", { number: unit, layer: look.layer })));
  y += ROW + 6;
  for (const [name, row] of Object.entries(values)) {
    const scale = Math.max(1, ...row.map(Math.abs));
    parts.push(rowLabel(y, scale === 1 ? name : `${name} / ${scale.toFixed(1)}`));
    row.forEach((value, t) => {
      parts.push(square(value < 0 ? "negative" : "positive", t, y, Math.abs(value) / scale));
    });
    y += ROW;
  }
  return y;
}

// Row t: word t as it was predicted; column s: word s as it was read.
function drawGradients(parts, y) {
  parts.push(heading(y, say("gradient_map")));
  y += ROW + 6;
  const top = y;
  const largest = Math.max(...look.gradient_norms.flat());
  look.gradient_norms.forEach((row, t) => {
    parts.push(rowLabel(y, short(look.words[t])));
    row.forEach((norm, s) => {
      const share = norm > 0 ? 1 + Math.log10(norm / largest) / DECADES : 0;
      parts.push(square("gradient", s, y, Math.max(share, 0)));
    });
    y += ROW;
  });
  drawWindowEdge(parts, top);
  return y;
}

// The window that ends with the prediction of word t begins at word t - num_steps.
function drawWindowEdge(parts, top) {
  const { num_steps: steps } = model;
  const count = look.words.length;
  if (!Number.isInteger(steps) || count <= steps) return;
  let path = `M${LEFT} ${top + steps * ROW - 0.5}`;
  for (let t = steps + 1; t < count; t++) path += `V${top + t * ROW - 0.5}H${LEFT + (t - steps) * COLUMN - 0.5}`;
  parts.push(svg("path", { class: "window", d: `${path}V${top + count * ROW}` }));
}

function choosePlace(event) {
  const x = event.clientX - byId("picture").getBoundingClientRect().left;
  const t = Math.floor((x - LEFT) / COLUMN);
  if (t < 0 || t >= look.words.length) return;
  byId("place").value = t;
  showPlace();
}

// A phone shows a part of the picture: the one with the chosen column.
function showColumn(x) {
  const region = byId("picture").parentElement;
  const isShown = x >= region.scrollLeft && x + COLUMN <= region.scrollLeft + region.clientWidth;
  if (!isShown) region.scrollLeft = x + 2 * COLUMN - region.clientWidth;
}

function digits(value) {
  return value.toPrecision(3);
}

// What the numbers of one word are, in words.
function showPlace() {
  if (!look || look.words.length < 2) return;
  const t = byId("place").valueAsNumber;
  const word = look.words[t];
  byId("chosen").setAttribute("x", LEFT + t * COLUMN - 1);
  const row = { x: LEFT - 1, y: look.mapTop + t * ROW - 1, width: Math.max(t, 1) * COLUMN + 1 };
  for (const [key, value] of Object.entries(row)) byId("chosen-row").setAttribute(key, value);
  showColumn(LEFT + t * COLUMN);
  const name = say("at_place", { place: number(look.start + t + 1), text: visible(word.text) });
  const bits = word.bits === null ? say("at_first") : say("bits", { bits: word.bits.toFixed(2) });
  byId("place").setAttribute("aria-valuetext", `${name}: ${bits}`);
  const lines = [element("p", `${name}: ${bits}`, "heading")];
  for (const { unit, values } of look.units) {
    const numbers = Object.entries(values).map(([gate, all]) => `${gate} ${digits(all[t])}`);
    lines.push(element("p", `${say("unit_of_layer", { number: unit, layer: look.layer })}: ${numbers.join(", ")}`));
  }
  const norms = look.gradient_norms[t].map((norm, s) => ({ norm, s })).sort((a, b) => b.norm - a.norm);
  if (norms.length) {
    const named = norms.slice(0, MOST_NAMED).map(({ norm, s }) =>
      say("one_of_them", { text: visible(look.words[s].text), back: t - s, norm: digits(norm) }));
    lines.push(element("p", say("depends_on", { list: named.join(", ") })));
  }
  byId("at-place").replaceChildren(...lines);
}

// Made only while they are open: they have thousands of cells.
function showTables() {
  if (!look || !byId("tables").open) return;
  const columns = look.units.flatMap(({ unit, values }) =>
    Object.entries(values).map(([name, row]) => [`${say("table_unit", { number: unit })}: ${name}`, row]));
  const bits = look.words.map((word) => word.bits);
  fillTable("values", say("table_values"), [say("table_bits"), ...columns.map(([name]) => name)],
    look.words.map((_, t) => [bits[t], ...columns.map(([, row]) => row[t])]));
  fillTable("gradients", say("table_gradients"), look.words.slice(0, -1).map((word) => visible(word.text)),
    look.gradient_norms);
}

function fillTable(id, title, names, rows) {
  const head = element("tr", "");
  head.append(element("td", ""), ...names.map((name) => header(name, "col")));
  const lines = rows.map((values, t) => {
    const line = element("tr", "");
    const cells = values.map((value) => element("td", value === null ? "–" : digits(value)));
    line.append(header(visible(look.words[t].text), "row"), ...cells);
    return line;
  });
  byId(id).replaceChildren(element("caption", title), head, ...lines);
}

function header(content, scope) {
  const made = element("th", content);
  made.scope = scope;
  return made;
}
