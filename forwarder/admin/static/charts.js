// The tiles: a number each, and its last 15 minutes. One crosshair reads all charts.
import { $, copy, count, el, known, rate, span, text } from "./kit.js";

const SPAN = 900, WIDTH = 300, HEIGHT = 60;
const KEYS = { ArrowLeft: 5, ArrowRight: -5, PageDown: 60, PageUp: -60 };
const TILES = [
  ["backlog", count, "Backlog", "events"],
  ["accepted", rate, "Accepted", "events/s"],
  ["oldest", span, "Oldest event"],
  ["letters", count, "Dead letters"],
  ["retries", rate, "Retries", "/s"],
  ["posts", rate, "POSTs", "/s"],
  ["events_per_post", rate, "Events per POST"],
].map(([key, form, label, unit]) => {
  const node = copy("tile", { label, unit });
  node.dataset.key = key;
  $("tiles").append(node);
  const tile = { key, form, node, values: [] };
  for (const part of ["value", "note", "small", "peek", "reasons", "chart", "area", "stroke", "cross"]) tile[part] = node.querySelector(`.${part}`);
  tile.chart.setAttribute("aria-label", `${label}, last 15 minutes`);
  return tile;
});
let ages = [0], at = null;

for (const { chart } of TILES) {
  const follow = ({ clientX }) => {
    const { left, width } = chart.getBoundingClientRect();
    point(SPAN * (1 - (clientX - left) / width));
  };
  chart.addEventListener("pointerdown", follow);
  chart.addEventListener("pointermove", follow);
  // When a finger lifts, the crosshair stays.
  chart.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && point(null));
  chart.addEventListener("blur", () => point(null));
  chart.addEventListener("keydown", (press) => {
    if (press.key === "Escape") point(null);
    if (!KEYS[press.key]) return;
    press.preventDefault();
    point((at ?? 0) + KEYS[press.key]);
  });
}
function point(age) {
  at = age === null ? null : Math.min(SPAN, Math.max(0, age));
  TILES.forEach(peek);
}
const x = (age) => WIDTH * (1 - age / SPAN);

function plot(tile, values) {
  tile.values = values;
  tile.most = Math.max(...values.filter(known), 0);
  const y = (value) => HEIGHT - 1 - (value / (tile.most || 1)) * (HEIGHT - 5);
  const runs = [];
  values.forEach((value, i) => {
    // Unknown values and times without samples leave a gap.
    if (!known(values[i - 1]) || ages[i - 1] - ages[i] > 30) runs.push([]);
    if (known(value)) runs.at(-1).push(`${x(ages[i]).toFixed(1)} ${y(value).toFixed(1)}`);
  });
  // A single point is a line to itself.
  const lines = runs.filter((run) => run.length).map((run) => `M${run[0]}L${run.join("L")}`);
  tile.stroke.setAttribute("d", lines.join(""));
  tile.area.setAttribute("d", lines.map((line) => `${line}V${HEIGHT}H${line.slice(1).split(" ")[0]}Z`).join(""));
  peek(tile);
}
// Shows the value at the crosshair, or else the highest.
function peek({ values, most, form, peek, chart, cross }) {
  const on = known(at);
  const off = ages.map((age) => Math.abs(age - at)), i = off.indexOf(Math.min(...off)), age = Math.round(ages[i]);
  const said = on ? `${age ? `−${span(age)}` : "now"}: ${form(values[i], true)}` : values.some(known) ? `max ${form(most, true)}` : "";
  text(peek, said);
  cross.setAttribute("d", on ? `M${x(ages[i])} 0V${HEIGHT}` : "");
  chart.setAttribute("aria-valuenow", on ? -age : 0);
  chart.setAttribute("aria-valuetext", said || "unknown");
}

export function tiles({ now, notes, history, letters }) {
  const numbers = { ...now, letters: letters?.kept };
  const reasons = Object.entries(letters?.by_reason ?? {}).filter(([, n]) => n);
  ages = [...history.age, 0];
  for (const tile of TILES) {
    const { key, form } = tile;
    text(tile.value, form(numbers[key]));
    text(tile.note, (key === "backlog" && now.outlook) || "");
    text(tile.small, notes[key] ?? "");
    if (key === "letters") tile.reasons.replaceChildren(...reasons.map(([reason, n]) => el("li", {}, reason, el("b", {}, count(n)))));
    else plot(tile, [...(history[key] ?? history.age.map(() => null)), now[key]]);
  }
}
