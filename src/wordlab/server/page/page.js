"use strict";

// What comes from a text or a model is only ever set as textContent.

const VIEWS = [
  ["score", "Surprisal"],
  ["tag", "Entities"],
  ["generate", "Generate"],
  ["complete", "Complete"],
  ["neighbours", "Neighbours"],
  ["map", "Map"],
  ["neurons", "Neurons"],
];

const AS_YOU_TYPE = 250; // milliseconds after the last key
const WORDS_BEFORE = 100; // of a sentence that alternatives are asked with

const byId = (id) => document.getElementById(id);
const state = { runs: [], run: null, view: "" };

// Making elements

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function isolated(text) {
  // Marks of direction inside a word must not turn what stands around it.
  const made = document.createElement("bdi");
  made.textContent = text;
  return made;
}

function number(value, digits = 2) {
  return value === null ? "–" : value.toFixed(digits);
}

function percent(value) {
  return value >= 0.0995 ? `${(100 * value).toFixed(1)} %` : `${(100 * value).toPrecision(2)} %`;
}

function showFigures(list, pairs) {
  list.replaceChildren(
    ...pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
}

function table(title, heads, rows) {
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map((row) =>
    element(
      "tr",
      {},
      ...row.map((cell) => element("td", typeof cell === "number" ? { class: "number" } : {}, typeof cell === "number" ? String(cell) : isolated(cell))),
    ),
  );
  return element("table", {}, element("caption", {}, title), element("thead", {}, head), element("tbody", {}, ...body));
}

// Asking

const asking = new Map();

async function ask(what, address, question) {
  // A later question of the same kind takes the place of an earlier one: that one never returns.
  asking.get(what)?.abort();
  const control = new AbortController();
  asking.set(what, control);
  const options = { signal: control.signal };
  if (question) {
    options.method = "POST";
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(question);
  }
  try {
    const response = await fetch(address, options);
    const answer = await response.json();
    if (!response.ok) throw new Error([answer.where, answer.error, answer.mend].filter(Boolean).join(": "));
    if (what !== "alternatives") showFault("");
    return answer;
  } catch (error) {
    if (error.name === "AbortError") return null;
    showFault(error.message);
    return null;
  }
}

function showFault(text) {
  const place = byId("fault");
  place.textContent = text;
  place.hidden = !text;
}

function later(act) {
  let waiting = 0;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(act, AS_YOU_TYPE);
  };
}

function tokens(box) {
  return byId(box).checked ? "words" : "spaces";
}

// Runs and views

function showRun() {
  state.run = state.runs.find((run) => run.name === byId("run").value);
  const run = state.run;
  const parts = run.kind === "tagger"
    ? [`tagger (${run.model})`, `finds ${run.types.join(", ")}`]
    : [`language model (${run.model})`, `${run.vocabulary.size.toLocaleString("en")} words`, run.protocol];
  byId("about").textContent = parts.join("; ");
  byId("tabs").replaceChildren(
    ...VIEWS.map(([view, title]) => {
      const has = run.views.includes(view);
      const tab = element("button", {
        type: "button", role: "tab", id: `tab-${view}`, "aria-controls": `view-${view}`, "aria-disabled": String(!has),
      }, title);
      if (!has) tab.title = `${run.name} has no such view`;
      tab.addEventListener("click", () => has && showView(view));
      return tab;
    }),
  );
  showFault("");
  forget();
  showView(run.views.includes(state.view) ? state.view : VIEWS.map(([view]) => view).find((view) => run.views.includes(view)));
}

function forget() {
  for (const control of asking.values()) control.abort();
  for (const id of ["score-totals", "score-protocol", "score-words", "score-word", "tag-sentences", "tag-table",
    "generate-sentences", "complete-note", "complete-words", "neighbours-table", "map-found", "map-picture",
    "neurons-about", "neurons-found", "ablate-totals", "ablate-table", "effects-note", "effects-tables"]) {
    byId(id).replaceChildren();
  }
  map.words = [];
}

function showView(view) {
  state.view = view;
  for (const [name] of VIEWS) {
    const shown = name === view;
    byId(`view-${name}`).hidden = !shown;
    byId(`tab-${name}`).setAttribute("aria-selected", String(shown));
    byId(`tab-${name}`).tabIndex = shown ? 0 : -1;
  }
}

function moveAmong(items, event, rows = false) {
  const keys = rows ? { ArrowDown: 1, ArrowUp: -1 } : { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 };
  const at = items.indexOf(document.activeElement);
  const to = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : at + (keys[event.key] ?? 0);
  if (at < 0 || to === at || !items[to]) return false;
  event.preventDefault();
  items[to].focus();
  return true;
}

byId("tabs").addEventListener("keydown", (event) => {
  const open = [...byId("tabs").children].filter((tab) => tab.getAttribute("aria-disabled") === "false");
  if (moveAmong(open, event)) document.activeElement.click();
});
byId("run").addEventListener("change", showRun);

// Surprisal

async function score() {
  const text = byId("score-text").value;
  const question = { run: state.run.name, text, tokens: tokens("score-split"), end: byId("score-end").checked };
  const answer = await ask("score", "/v1/score", question);
  if (!answer) return;
  const { totals } = answer;
  showFigures(byId("score-totals"), [
    ["words", String(totals.words)],
    ["unknown", String(totals.unknown_words)],
    ["predicted", String(totals.targets)],
    ["bits", number(totals.bits)],
    ["nats", number(totals.nats)],
    ["perplexity", number(totals.perplexity)],
    ["known words only", number(totals.perplexity_known)],
  ]);
  byId("score-protocol").textContent =
    `${answer.protocol}. ${answer.adaptation} Vocabulary of ${answer.vocabulary.size.toLocaleString("en")} (${answer.vocabulary.hash}); ends of sentences count.`;
  const sentences = new Map();
  for (const word of answer.words) {
    if (!sentences.has(word.sentence)) sentences.set(word.sentence, []);
    sentences.get(word.sentence).push(word);
  }
  byId("score-words").replaceChildren(...[...sentences.values()].map(sentenceOf));
  const first = byId("score-words").querySelector(".word");
  if (first) first.tabIndex = 0;
  byId("score-word").replaceChildren();
}

function sentenceOf(words) {
  const line = element("p", { class: "sentence" });
  words.forEach((word, at) => {
    const band = word.bits === null ? "none" : `s${Math.min(6, Math.floor(word.bits / 2))}`;
    const button = element("button", { type: "button", tabindex: "-1", class: `word ${band}${word.unknown ? " unknown" : ""}` }, isolated(word.word));
    const show = () => showWord(button, word, words.slice(Math.max(0, at - WORDS_BEFORE), at));
    button.addEventListener("focus", show);
    button.addEventListener("mouseenter", show);
    line.append(button, " ");
  });
  return line;
}

async function showWord(button, word, before) {
  for (const other of document.querySelectorAll('.word[aria-current="true"]')) other.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  const figures = element("dl", { class: "figures" });
  showFigures(figures, [
    ["bits", number(word.bits)],
    ["nats", number(word.nats, 4)],
    ["rank", word.rank === null ? "–" : String(word.rank)],
    ["entropy, nats", number(word.entropy_nats)],
  ]);
  const heading = element("h2", {}, isolated(word.word));
  const kind = word.bits === null ? "not predicted under this reading"
    : word.unknown ? "outside the vocabulary: the figures are those of all unknown words together" : "";
  const alternatives = element("div");
  byId("score-word").replaceChildren(heading, element("p", { class: "note" }, kind), figures, alternatives);
  if (word.bits === null) return;
  const question = { run: state.run.name, prompt: before.map((each) => each.word).join(" "), tokens: "spaces", count: 5 };
  if (question.prompt.length > 2000) return;
  const answer = await ask("alternatives", "/v1/complete", question);
  if (!answer) return;
  const list = answer.completions.map((each) => element("li", {}, isolated(each.word), ` ${percent(each.probability)}`));
  alternatives.replaceChildren(
    element("h3", {}, "Most probable after the words before it in the sentence"),
    element("ol", {}, ...list),
  );
}

byId("score-words").addEventListener("keydown", (event) => {
  const words = [...byId("score-words").querySelectorAll(".word")];
  const from = document.activeElement;
  if (moveAmong(words, event)) {
    from.tabIndex = -1;
    document.activeElement.tabIndex = 0;
  }
});
byId("score").addEventListener("submit", (event) => { event.preventDefault(); score(); });
byId("score-text").addEventListener("input", later(score));
byId("score-split").addEventListener("change", score);
byId("score-end").addEventListener("change", score);

// Entities

async function tag() {
  const text = byId("tag-text").value;
  const answer = await ask("tag", "/v1/tag", { run: state.run.name, text, tokens: tokens("tag-split") });
  if (!answer) return;
  const characters = Array.from(text); // offsets count code points
  const piece = (start, end) => isolated(characters.slice(start, end).join(""));
  byId("tag-sentences").replaceChildren(
    ...answer.sentences.map((sentence) => {
      const line = element("p", { class: "sentence" });
      let at = sentence.start;
      for (const entity of sentence.entities) {
        const label = `${entity.type} ${percent(entity.probability)}`;
        line.append(piece(at, entity.start), element("mark", {}, piece(entity.start, entity.end), " ", element("small", {}, label)));
        at = entity.end;
      }
      line.append(piece(at, sentence.end));
      return line;
    }),
  );
  const rows = answer.sentences.flatMap((sentence) =>
    sentence.entities.map((entity) => [entity.text, entity.type, percent(entity.probability), entity.start, entity.end]));
  byId("tag-table").replaceChildren(
    rows.length ? table("Entities", ["text", "type", "probability", "from", "to"], rows) : element("p", { class: "note" }, "no entity"),
  );
}

byId("tag").addEventListener("submit", (event) => { event.preventDefault(); tag(); });
byId("tag-text").addEventListener("input", later(tag));
byId("tag-split").addEventListener("change", tag);

// Generate

async function generate() {
  const value = (name) => Number(byId(`generate-${name}`).value);
  const answer = await ask("generate", "/v1/generate", {
    run: state.run.name,
    prompt: byId("generate-prompt").value,
    tokens: "words",
    words: value("words"),
    count: value("count"),
    seed: value("seed"),
    temperature: value("temperature"),
    top_k: value("top-k") || null,
    top_p: value("top-p"),
    unknown: byId("generate-unknown").checked,
  });
  if (!answer) return;
  byId("generate-sentences").replaceChildren(
    ...answer.continuations.map((each) => {
      const given = isolated(answer.prompt.join(" "));
      given.className = "given";
      const note = ` ${number(each.total_nats)} nats${each.ended ? ", ended" : ""}`;
      return element("li", {}, given, " ", isolated(each.words.join(" ")), element("span", { class: "note" }, note));
    }),
  );
}

for (const slider of document.querySelectorAll(".sliders input")) {
  const show = () => {
    slider.nextElementSibling.value = slider.value === "0" ? slider.dataset.zero : slider.value;
  };
  slider.addEventListener("input", show);
  show();
}
byId("generate").addEventListener("submit", (event) => { event.preventDefault(); generate(); });

// Complete

async function complete() {
  const text = byId("complete-text").value;
  const cut = text.search(/\S*$/u);
  const prefix = text.slice(cut);
  const question = { run: state.run.name, prompt: text.slice(0, cut), tokens: "words", prefix, count: 8 };
  const answer = await ask("complete", "/v1/complete", question);
  if (!answer) return;
  const { mass, unknown, end } = answer;
  byId("complete-note").textContent = prefix
    ? `${percent(mass)} of the next word's probability is on words that begin so`
    : `unknown word ${percent(unknown)}, end of the sentence ${percent(end)}`;
  byId("complete-words").replaceChildren(
    ...answer.completions.map((each) => {
      const button = element("button", { type: "button" }, isolated(each.word));
      button.addEventListener("click", () => {
        byId("complete-text").value = `${text.slice(0, cut)}${each.word} `;
        byId("complete-text").focus();
        complete();
      });
      return element("li", {}, button, element("span", { class: "complete-share" }, percent(each.probability)));
    }),
  );
}

byId("view-complete").addEventListener("keydown", (event) => {
  moveAmong([byId("complete-text"), ...byId("complete-words").querySelectorAll("button")], event, true);
});
byId("complete").addEventListener("submit", (event) => { event.preventDefault(); complete(); });
byId("complete-text").addEventListener("input", later(complete));

// Neighbours

async function neighbours() {
  const answer = await ask("neighbours", "/v1/neighbours", {
    run: state.run.name,
    words: byId("neighbours-words").value.split(/\s+/u).filter(Boolean),
    count: Number(byId("neighbours-count").value),
    among: Number(byId("neighbours-among").value),
    metric: byId("neighbours-metric").value,
  });
  if (!answer) return;
  const rows = answer.neighbours.map((each) => [each.word, each.rank, each.neighbour, number(each.value, 3)]);
  const title = `Among the ${answer.among.toLocaleString("en")} most frequent words, by ${answer.metric}`;
  byId("neighbours-table").replaceChildren(table(title, ["word", "rank", "neighbour", "value"], rows));
}

byId("neighbours").addEventListener("submit", (event) => { event.preventDefault(); neighbours(); });

// Map

const map = { words: [], nearness: 1, middle: [0, 0] };
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [900, 640];

async function drawMap() {
  const question = new URLSearchParams({
    run: state.run.name, words: byId("map-words").value, method: byId("map-method").value,
  });
  byId("map-found").textContent = "drawing";
  const answer = await ask("map", `/v1/map?${question}`);
  byId("map-found").textContent = "";
  if (!answer) return;
  const bounds = (values) => [Math.min(...values), Math.max(...values)];
  const [left, right] = bounds(answer.words.map((word) => word.x));
  const [low, high] = bounds(answer.words.map((word) => word.y));
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `The ${answer.words.length} most frequent words by ${answer.method}; search for one above`);
  map.words = answer.words.map((word) => {
    const made = document.createElementNS(SVG, "text");
    const x = 50 + (WIDTH - 100) * (word.x - left) / (right - left || 1);
    const y = 20 + (HEIGHT - 40) * (high - word.y) / (high - low || 1);
    made.setAttribute("x", x);
    made.setAttribute("y", y);
    made.setAttribute("text-anchor", "middle");
    made.textContent = word.word;
    const title = document.createElementNS(SVG, "title");
    title.textContent = `${word.word}: rank ${word.rank}, ${word.count.toLocaleString("en")} times in training`;
    made.append(title);
    svg.append(made);
    return { ...word, place: [x, y], made };
  });
  map.nearness = 1;
  map.middle = [WIDTH / 2, HEIGHT / 2];
  byId("map-picture").replaceChildren(svg);
  search();
}

function frame() {
  const svg = byId("map-picture").firstElementChild;
  if (!svg) return;
  const [width, height] = [WIDTH / map.nearness, HEIGHT / map.nearness];
  const [x, y] = map.middle;
  svg.setAttribute("viewBox", `${x - width / 2} ${y - height / 2} ${width} ${height}`);
  svg.setAttribute("font-size", 13 / Math.sqrt(map.nearness));
}

function search() {
  const sought = byId("map-search").value.trim().toLowerCase();
  const found = map.words.filter((word) => sought && word.word.toLowerCase().startsWith(sought));
  for (const word of map.words) word.made.classList.toggle("found", found.includes(word));
  for (const word of found) word.made.parentNode.append(word.made); // on top of the others
  if (found.length && map.nearness > 1) map.middle = found[0].place;
  if (map.words.length) {
    byId("map-found").textContent = sought ? `${found.length} found: ${found.slice(0, 20).map((word) => word.word).join(", ")}` : "";
  }
  frame();
}

function go(factor) {
  map.nearness = Math.min(16, Math.max(1, map.nearness * factor));
  if (map.nearness === 1) map.middle = [WIDTH / 2, HEIGHT / 2];
  frame();
}

byId("map").addEventListener("submit", (event) => { event.preventDefault(); drawMap(); });
byId("map-search").addEventListener("input", search);
byId("map-nearer").addEventListener("click", () => go(1.5));
byId("map-farther").addEventListener("click", () => go(1 / 1.5));

// Neurons

function units(id) {
  return byId(id).value.split(/[\s,]+/u).filter(Boolean).map(Number);
}

async function look() {
  byId("neurons-about").textContent = "looking; the first time takes longer";
  const answer = await ask("neurons", "/v1/neurons", {
    run: state.run.name,
    units: units("neurons-units"),
    top: Number(byId("neurons-top").value),
    contexts: Number(byId("neurons-contexts").value),
  });
  byId("neurons-about").textContent = answer ? `${answer.units} units; contexts from ${answer.text}` : "";
  if (!answer) return;
  byId("neurons-found").replaceChildren(...answer.neurons.map(neuronOf));
}

function neuronOf(neuron) {
  const off = element("button", { type: "button" }, "Switch off");
  off.addEventListener("click", () => {
    byId("ablate-units").value = String(neuron.unit);
    byId("ablate-text").focus();
  });
  const made = element("div", { class: "neuron" },
    element("h3", {}, `Unit ${neuron.unit}`), element("span", { class: "note" }, `outgoing ${number(neuron.outgoing)} `), off);
  for (const position of neuron.positions) {
    for (const [end, words] of [["raised", position.top], ["lowered", position.bottom]]) {
      const line = element("p", {}, element("span", { class: "note" }, `${position.name}, ${end} by: `));
      words.forEach((word, at) => line.append(at ? ", " : "", isolated(word.word), ` ${number(word.score)}`));
      made.append(line);
    }
  }
  for (const context of neuron.contexts) {
    made.append(element("p", {}, element("span", { class: "note" }, `${context.end} ${number(context.value)}: `), isolated(context.text)));
  }
  return made;
}

async function ablate() {
  const answer = await ask("ablate", "/v1/ablate", {
    run: state.run.name, text: byId("ablate-text").value, units: units("ablate-units"), at: byId("ablate-at").value,
  });
  if (!answer) return;
  const tagger = answer.types_changed !== null;
  showFigures(byId("ablate-totals"), tagger
    ? [["words of another type", String(answer.types_changed)]]
    : [["perplexity", number(answer.perplexity)], ["without the units", number(answer.perplexity_held)]]);
  const chance = (value) => (value === null ? "" : percent(value));
  const rows = answer.words.map((word) => tagger
    ? [word.word, word.type || "O", chance(word.probability), word.type_held || "O", chance(word.probability_held)]
    : [word.word, number(word.nats), word.rank, number(word.nats_held), word.rank_held]);
  const heads = tagger
    ? ["word", "type", "probability", "type, held", "probability, held"]
    : ["word", "nats", "rank", "nats, held", "rank, held"];
  const made = table("Words, with the units on and held", heads, rows);
  made.querySelectorAll("tbody tr").forEach((row, at) => {
    const word = answer.words[at];
    row.classList.toggle("changed", tagger ? word.type !== word.type_held : Math.abs(word.nats - word.nats_held) >= 0.5);
  });
  byId("ablate-table").replaceChildren(made);
}

async function measure() {
  byId("effects-note").textContent = "measuring";
  const answer = await ask("effects", "/v1/effects", {
    run: state.run.name, units: units("ablate-units"), at: byId("ablate-at").value,
  });
  byId("effects-note").textContent = answer
    ? `On ${answer.text}. Each unit on its own is held at ${answer.held}; its line is the change.` : "";
  if (answer) byId("effects-tables").replaceChildren(...answer.figures.map((figure) => effectsOf(figure, answer.units)));
}

function effectsOf({ figure, classes }, held) {
  const isShare = figure.startsWith("F1");
  const shown = (value) => (isShare ? `${(100 * value).toFixed(2)} %` : value.toFixed(4));
  const signed = (value) => (value > 0 ? "+" : "") + shown(value);
  return table(figure, ["", ...classes.map((each) => `${each.name} (${each.count.toLocaleString("en")})`)], [
    ["all on", ...classes.map((each) => shown(each.whole))],
    ...held.map((unit, at) => [`unit ${unit}`, ...classes.map((each) => signed(each.changes[at]))]),
  ]);
}

byId("effects").addEventListener("click", measure);
byId("neurons").addEventListener("submit", (event) => { event.preventDefault(); look(); });
byId("ablate").addEventListener("submit", (event) => { event.preventDefault(); ablate(); });

// Begin

async function begin() {
  const answer = await ask("runs", "/v1/runs");
  if (!answer) return;
  state.runs = answer.runs;
  byId("run").replaceChildren(...state.runs.map((run) => {
    const option = element("option", { value: run.name });
    option.textContent = run.name;
    return option;
  }));
  showRun();
}

begin();
