"use strict";
// Data from the service is shown as text, never as markup: nothing in an event can be trusted.
const PERIOD = 2000, PATIENCE = 8000, SPAN = 900, WIDTH = 300, HEIGHT = 60;
const $ = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const el = (name, attributes, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const button = (label, key, press, attributes = {}) => {
  const made = el("button", { type: "button", "data-key": key, ...attributes }, label);
  made.addEventListener("click", press);
  return made;
};
// Writes only what has changed, so that nothing flickers or is read aloud without a reason.
const text = (node, value) => {
  if (node.textContent !== value) node.textContent = value;
};
const say = (node, value) => {
  node.hidden = !value;
  text(node, value || "");
};
// Replaces the children only if their data has changed, and keeps the focus.
const made = new WeakMap();
const children = (node, data, make) => {
  const key = JSON.stringify(data);
  if (made.get(node) === key) return;
  made.set(node, key);
  const focus = node.contains(document.activeElement) && document.activeElement.dataset.key;
  node.replaceChildren(...make());
  if (focus) all("[data-key]", node).find((each) => each.dataset.key === focus)?.focus();
};
// Text with `commands` between backticks.
const marked = (node, value) => {
  node.hidden = !value;
  children(node, value, () => value.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part)));
};
const command = (line) => {
  const code = el("code", {}, line);
  const copy = async ({ target }) => {
    try {
      await navigator.clipboard.writeText(line);
      target.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
    }
  };
  return el("span", { class: "cmd" }, code, button("Copy", line, copy, { "aria-label": `Copy ${line}` }));
};

const number = (digits, options) => new Intl.NumberFormat("en", { maximumFractionDigits: digits, ...options }).format;
const whole = number(0), fine = number(1), short = number(2, { notation: "compact" });
const known = (value) => value !== null && value !== undefined;
const count = (value) => (!known(value) ? "–" : value < 1e7 ? whole(value) : short(value));
const rate = (value) => (known(value) && value < 100 ? fine(value) : count(value));
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const span = (seconds) => {
  if (!known(seconds)) return "–";
  const at = UNITS.findIndex(([, size]) => seconds >= size);
  if (at < 0 || at === 3) return `${(seconds < 10 ? fine : whole)(seconds)} s`;
  const [name, size] = UNITS[at], [next, small] = UNITS[at + 1];
  const rest = Math.floor((seconds % size) / small);
  return `${whole(Math.floor(seconds / size))} ${name}${rest ? ` ${rest} ${next}` : ""}`;
};
const when = (iso) => {
  const moment = new Date(iso);
  return isNaN(moment) ? iso : moment.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
};
const FORMS = { count, rate, span };

const TILES = all(".tile").map((node) => {
  const part = (selector) => node.querySelector(selector);
  const tile = { key: node.dataset.key, form: FORMS[node.dataset.form], label: part("h3").textContent, values: [], ages: [] };
  for (const name of ["value span", "note", "peek", "area", "stroke", "cross"]) tile[name] = part(`.${name}`);
  tile.svg = part("svg");
  tile.svg.addEventListener("pointermove", ({ offsetX }) => peek(tile, SPAN * (1 - offsetX / tile.svg.clientWidth)));
  tile.svg.addEventListener("pointerleave", () => peek(tile));
  return tile;
});
const x = (age) => Math.max(0, WIDTH * (1 - age / SPAN));
function draw(tile, { age, [tile.key]: values }) {
  const present = values.filter(known);
  tile.ages = age;
  tile.values = values;
  tile.most = Math.max(...present, 0);
  const y = (value) => HEIGHT - 1 - (value / (tile.most || 1)) * (HEIGHT - 6);
  const runs = [];
  values.forEach((value, i) => {
    // An unknown value leaves a gap, and so does a time in which the service was frozen.
    if (!known(values[i - 1]) || age[i - 1] - age[i] > 30) runs.push([]);
    if (known(value)) runs.at(-1).push(`${x(age[i]).toFixed(1)} ${y(value).toFixed(1)}`);
  });
  const lines = runs.filter((run) => run.length);
  const end = (point) => point.split(" ")[0];
  tile.stroke.setAttribute("d", lines.map((run) => `M${run.join("L")}`).join(""));
  tile.area.setAttribute("d", lines.map((run) => `M${end(run[0])} ${HEIGHT}L${run.join("L")}L${end(run.at(-1))} ${HEIGHT}Z`).join(""));
  const range = present.length ? `from ${tile.form(Math.min(...present))} to ${tile.form(tile.most)}` : "not known";
  tile.svg.setAttribute("aria-label", `${tile.label} in the last 15 minutes: ${range}`);
  peek(tile, tile.at);
}
// Shows the value under the pointer, or the highest value if there is no pointer.
function peek(tile, at) {
  tile.at = at;
  const { ages, values, form } = tile;
  const nearest = ages.reduce((best, age, i) => (Math.abs(age - at) < Math.abs(ages[best] - at) ? i : best), 0);
  const on = known(at) && ages.length;
  text(tile.peek, on ? `${form(values[nearest])}, ${span(Math.round(ages[nearest]))} ago` : values.some(known) ? `highest ${form(tile.most)}` : "");
  tile.cross.setAttribute("d", on ? `M${x(ages[nearest])} 0V${HEIGHT}` : "");
}

let revealed = null, last = null, lostAt = null, timer;
// A browser that stores nothing refuses this. The token then lasts until the page is reloaded.
const stored = (act) => {
  try {
    return act(sessionStorage);
  } catch {
    return null;
  }
};
let token = stored((store) => store.getItem("token"));

const GLYPHS = { good: ["M7 12.5l3.5 3.5L17 9", "#12915c"], calm: ["M8 12h8", "#667085"], warn: ["M12 6v7M12 17v.1", "#b26a00"], bad: ["M12 6v7M12 17v.1", "#d92d20"] };
function state(said) {
  const [glyph, color] = GLYPHS[said.tone];
  const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="12" fill="${color}"/><path d="${glyph}" fill="none" stroke="#fff" stroke-width="3"/></svg>`;
  const href = `data:image/svg+xml,${encodeURIComponent(icon)}`;
  if ($("icon").href !== href) $("icon").href = href;
  $("state").dataset.tone = said.tone;
  $("glyph").setAttribute("d", glyph);
  document.title = `${said.title} · ${last ? last.queue : "forwarder"}`;
  text($("title"), said.title);
  text($("sentence"), said.sentence);
  say($("detail"), said.detail);
  marked($("remedy"), said.remedy);
}

function limit(node, { used, now, most }, unit, cause) {
  const top = most || now || used || 1;
  const said = now ? `${rate(used)} of ${rate(now)}${unit}` : `${rate(used)}${unit}, no limit`;
  text(node.querySelector(".said"), said);
  text(node.querySelector(".faint"), now < most ? `lowered from ${rate(most)}${unit} because of ${cause}` : most ? "not lowered" : "");
  const meter = node.querySelector(".meter");
  const part = Math.min(100, Math.round((100 * used) / top));
  meter.setAttribute("aria-valuenow", part);
  meter.setAttribute("aria-valuetext", said);
  meter.querySelector("i").style.width = `${part}%`;
  meter.querySelector("b").style.width = `${now < most ? 100 - (100 * now) / most : 0}%`;
}

const row = (...cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell)));
const shard = (each) => row(each.shard, each.owner, each.held ? span(Math.round(each.lease_seconds)) : "–", count(each.waiting), count(each.claimed), span(each.oldest_age));

function letter(each) {
  const shown = revealed?.[each.id], why = el("p", {});
  marked(why, (shown ?? each).explanation);
  const said = [each.status ? `answer ${each.status}` : "never sent", `attempts: ${each.attempts}`].map((part) => el("span", {}, part));
  const line = el("p", { class: "line" }, el("span", { class: "badge" }, each.reason), ...said, el("code", {}, each.id), el("time", { datetime: each.claimed_at }, `claimed ${when(each.claimed_at)}`));
  const acts = el("p", { class: "acts" });
  if (token) acts.append(button("Replay…", each.id, () => ask("replay-one", each.id), { "aria-label": `Replay ${each.id}` }));
  if (!shown) acts.append(command(`forwarder dead show ${each.id}`));
  const data = shown
    ? [el("p", {}, "User ", el("code", {}, shown.user_id || "unknown")), el("pre", { tabindex: 0, role: "region", "aria-label": `Element of ${each.id}` }, shown.element)]
    : [el("p", { class: "faint" }, `User and element (${whole(each.bytes)} bytes) are hidden.`)];
  return el("li", {}, line, why, ...data, acts);
}
function dead(letters) {
  $("reveal").hidden = !token;
  $("reveal").setAttribute("aria-pressed", !!revealed);
  if (!letters) return;
  text($("kept"), letters.said);
  say($("dead-problem"), letters.problem);
  for (const node of all("[data-reason]")) {
    const { reason } = node.dataset, n = letters.by_reason[reason];
    node.hidden = reason === "other" && !n;
    node.classList.toggle("none", !n);
    text(node.querySelector("strong"), count(n));
    const way = () => (token ? button(`Replay ${reason}…`, reason, () => ask("replay", reason)) : command(`forwarder dead replay --reason ${reason}`));
    children(node.querySelector(".acts"), [!n, !!token], () => (n && reason !== "other" ? [way()] : []));
  }
  children($("letters"), [letters.latest, !!token, revealed], () => letters.latest.map(letter));
}

function past({ age, ...columns }) {
  const minutes = age.map((_, i) => i).reverse().filter((_, n) => n % 12 === 0);
  const cells = (i) => TILES.map((tile) => tile.form(columns[tile.key][i]));
  if ($("past").open) $("past-rows").replaceChildren(...minutes.map((i) => row(span(Math.round(age[i])), ...cells(i))));
}

function render(d) {
  last = d;
  text($("queue"), d.queue);
  state(d.said);
  say($("since"), d.halted_since && `Since ${when(d.halted_since)}`);
  $("way").hidden = d.state !== "halted";
  children($("way"), !token, () => [token ? button("Resume…", "resume", () => ask("resume"), { class: "main" }) : command("forwarder resume")]);
  $("notices").hidden = !d.notices.length;
  children($("notices"), d.notices, () => d.notices.map((each) => {
    const item = el("li", {});
    marked(item, each);
    return item;
  }));
  for (const tile of TILES) {
    text(tile["value span"], tile.form(d.now[tile.key]));
    text(tile.note, d.notes[tile.key]);
    draw(tile, d.history);
  }
  limit($("concurrency"), d.limits.concurrency, "", "5xx or missing answers");
  limit($("rate"), { used: d.now.posts || 0, ...d.limits.rate }, "/s", "429 answers");
  children($("answers"), d.answers, () => Object.entries(d.answers).flatMap(([answer, n]) => [el("dt", {}, answer), el("dd", {}, count(n))]));
  text($("totals"), d.notes.answers);
  children($("shards"), d.shards, () => d.shards.map(shard));
  text($("worker"), `This page is served by ${d.worker.name}, which has run for ${span(d.worker.seconds)}.`);
  text($("privacy"), token ? "" : d.actions ? "User data is hidden. Unlock actions to see it or to replay." : "User data is hidden. The commands show it.");
  dead(d.letters);
  past(d.history);
  $("lock").hidden = !d.actions;
  text($("lock"), token ? "Lock actions" : "Unlock actions");
  text($("version"), `forwarder ${d.version}${d.actions ? "" : " · read-only: FORWARDER_ADMIN_TOKEN is not set"}`);
}

async function fetched(path, body) {
  const headers = { ...(path !== "status.json" && { Authorization: `Bearer ${token}` }), ...(body && { "Content-Type": "application/json" }) };
  const signal = AbortSignal.timeout(body ? 60000 : PATIENCE);
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store", signal });
  const found = await answer.json();
  if (answer.ok) return found;
  if (answer.status === 401) lock();
  throw new Error(found.error);
}
function lock() {
  token = revealed = null;
  stored((store) => store.removeItem("token"));
}
async function show() {
  const { letters } = await fetched("letters.json");
  revealed = Object.fromEntries(letters.map((each) => [each.id, each]));
}

async function poll() {
  clearTimeout(timer);
  try {
    const found = await fetched("status.json");
    if (revealed) {
      await show().catch(({ message }) => {
        lock();
        say($("done"), message);
      });
    }
    lostAt = null;
    render(found);
  } catch (error) {
    lost(error);
  }
  $("main").classList.toggle("stale", lostAt);
  $("contact").className = lostAt ? "lost" : "live";
  text($("contact"), lostAt ? "no contact" : "live");
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, PERIOD);
}
function lost({ message }) {
  lostAt ||= new Date();
  const sentence = `It has not answered since ${lostAt.toLocaleTimeString("en-GB")}. The figures below are from then. The page keeps trying.`;
  state({ tone: "bad", title: "No contact with this worker", sentence, detail: message, remedy: "check whether its process runs and can be reached; `forwarder status` asks Redis instead" });
  $("since").hidden = $("way").hidden = true;
}

const ACTS = {
  unlock: async (given) => {
    token = given.trim();
    await fetched("letters.json").catch((error) => {
      lock();
      throw error;
    });
    stored((store) => store.setItem("token", token));
  },
  resume: (refusals) => fetched("resume", { allow_refusals: +refusals }),
  replay: (most, reason) => fetched("replay", { reason, limit: +most, canary: 1 }),
  "replay-one": (_, id) => fetched("replay", { id }),
};
function ask(name, which = "") {
  const dialog = $(name);
  dialog.dataset.which = which;
  for (const node of all(".which", dialog)) text(node, which);
  text(dialog.querySelector(".error"), "");
  dialog.querySelector("form").reset();
  dialog.showModal();
}
for (const dialog of all("dialog")) {
  const yes = dialog.querySelector(".main"), input = dialog.querySelector("input");
  dialog.querySelector(".cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    yes.disabled = true;
    try {
      const found = await ACTS[dialog.id](input?.value, dialog.dataset.which);
      dialog.close();
      say($("done"), found?.done);
      setTimeout(say, 8000, $("done"), "");
    } catch ({ message }) {
      text(dialog.querySelector(".error"), message);
    }
    input && dialog.id === "unlock" && (input.value = "");
    yes.disabled = false;
    poll();
  });
}
$("lock").addEventListener("click", () => {
  if (!token) return ask("unlock");
  lock();
  poll();
});
$("reveal").addEventListener("click", () => {
  revealed = revealed ? null : {};
  poll();
});
document.addEventListener("visibilitychange", () => document.hidden || poll());
$("past").addEventListener("toggle", () => last && past(last.history));
poll();
