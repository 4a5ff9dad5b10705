// Text, numbers and elements. What the service sends is text, never markup.
export const $ = (id) => document.getElementById(id);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];
export const known = (value) => value != null;
export const el = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
export const button = (label, key, press, attributes) => {
  const made = el("button", { type: "button", "data-key": key, ...attributes }, label);
  made.addEventListener("click", press);
  return made;
};
// Writes only what has changed, so that nothing is read aloud twice.
export const text = (node, value) => {
  if (node.textContent !== value) node.textContent = value;
};
export const say = (node, value) => {
  node.hidden = !value;
  text(node, value || "");
};
// Replaces the children only if their data has changed, and keeps the focus.
const made = new WeakMap();
export const children = (node, data, make) => {
  const key = JSON.stringify(data);
  if (made.get(node) === key) return;
  made.set(node, key);
  const focus = node.contains(document.activeElement) && document.activeElement.dataset.key;
  node.replaceChildren(...make());
  if (focus) all("[data-key]", node).find((each) => each.dataset.key === focus)?.focus();
};
// Writes each part, a text or nodes, into the elements of its class. An empty part is hidden.
export const write = (node, parts) => {
  for (const [name, value] of Object.entries(parts)) {
    for (const each of all(`.${name}`, node)) {
      each.hidden = !value?.length;
      each.replaceChildren(...[value || ""].flat());
    }
  }
  return node;
};
export const copy = (template, parts) => write($(template).content.firstElementChild.cloneNode(true), parts);

export const command = (line) => {
  const code = el("code", {}, line);
  const press = async ({ target }) => {
    try {
      await navigator.clipboard.writeText(line);
      target.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
    }
  };
  return el("span", { class: "cmd" }, code, button("Copy", line, press, { "aria-label": `Copy ${line}` }));
};
// Text with `commands` between backticks. Those of several words can be copied.
export const marked = (value) =>
  value.split("`").map((part, i) => (i % 2 ? (part.includes(" ") ? command(part) : el("code", {}, part)) : part));

const number = (digits, options) => new Intl.NumberFormat("en", { maximumFractionDigits: digits, ...options }).format;
const whole = number(0), fine = number(1), short = number(2, { notation: "compact" });
export const count = (value) => (!known(value) ? "–" : value < 1e7 ? whole(value) : short(value));
export const rate = (value) => (known(value) && value < 100 ? fine : count)(value);
export const plural = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
export const span = (seconds, one) => {
  if (!known(seconds)) return "–";
  if (seconds < 60) return `${(seconds < 10 ? fine : whole)(seconds)} s`;
  const at = UNITS.findIndex(([, size]) => seconds >= size);
  const [name, size] = UNITS[at], [next, small] = UNITS[at + 1];
  const rest = Math.floor((seconds % size) / small);
  return `${whole(Math.floor(seconds / size))} ${name}${rest && !one ? ` ${rest} ${next}` : ""}`;
};
// How far the clock of the service is ahead.
export const clock = { ahead: 0 };
export const ago = (iso) => {
  const seconds = (Date.now() + clock.ahead - new Date(iso)) / 1000;
  return isNaN(seconds) ? iso : `${span(Math.max(0, Math.round(seconds)), true)} ago`;
};
export const when = (iso) => `${iso.slice(0, 19).replace("T", " ")} UTC, ${ago(iso)}`;
