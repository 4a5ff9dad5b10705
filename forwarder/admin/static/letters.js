// The dead letters: groups that have the same cause, with examples and actions.
import { $, ago, button, children, command, copy, count, el, known, marked, plural, say, text, when } from "./kit.js";
import { ask, asked, attempt, fetched, token } from "./actions.js";

const MOST = 10, LIMIT = 1000;
// With the token: groups by name, examples of the open one.
let named = null, examples = [], open = null, given = null;

const title = ({ reason, status, name }) => [reason, status, name].filter(Boolean).join(", ");
const query = (which) => `?${new URLSearchParams(which)}`;

async function download(which) {
  const url = URL.createObjectURL(await (await asked(`export${query(which)}`)).blob());
  el("a", { href: url, download: "dead-letters.ndjson" }).click();
  URL.revokeObjectURL(url);
}
// Invalid elements would come back.
function acts(which, n, invalid) {
  const what = which.id ?? title(which), all = plural(n, "dead letter");
  const many = n > LIMIT ? `the oldest ${count(LIMIT)} of ${all}` : all;
  const offer = (label, act) => button(label, `${label} ${what}`, act, { "aria-label": `${label} ${what}` });
  return [
    ...(invalid ? [] : [offer("Replay…", () => ask(which.id ? "replay-one" : "replay", { which: what, many: all }, which))]),
    ...(invalid || which.id ? [] : [offer("Export", () => attempt(() => download(which)))]),
    offer("Delete…", () => ask("delete", { which: what, many }, { ...which, limit: Math.min(n, LIMIT) })),
  ];
}
function letter(each) {
  return copy("letter", {
    id: each.id,
    said: `${each.status ? `answer ${each.status}` : "never sent"}, ${plural(each.attempts, "attempt")}, claimed ${when(each.claimed_at)}`,
    why: marked(each.explanation),
    user: each.user_id || "unknown",
    detail: each.detail,
    element: each.element,
    acts: acts({ id: each.id }, 1, each.reason === "invalid"),
  });
}
function group(each) {
  const { id, status, names, filter } = each;
  const look = button(open === id ? "Hide examples" : "Examples", `examples ${id}`, () => {
    open = open === id ? null : id;
    attempt(load);
  }, { "aria-label": `Examples of ${title(each)}`, "aria-expanded": open === id });
  return copy("group", {
    count: count(each.count),
    reason: each.reason,
    status: status && `answer ${status}`,
    name: each.name,
    names: !known(each.name) && names && plural(names, "event name"),
    times: `last ${ago(each.last)}, first ${ago(each.first)}`,
    why: marked(each.explanation ?? ""),
    hint: each.hint,
    acts: filter ? [look, ...acts(filter, each.count, !each.replay)] : each.command && [command(each.command)],
    examples: open === id && examples.map(letter),
  });
}

export async function load() {
  named = token && (await fetched("letters.json")).groups;
  const group = named?.find((each) => each.id === open);
  examples = group ? (await fetched(`letters.json${query(group.filter)}`)).letters : [];
}

export function letters(found) {
  given = found;
  text($("kept"), found?.said ?? "not known");
  say($("dead-problem"), found?.problem);
  const words = $("filter").value.split(/[\s,]+/), groups = named ?? found?.groups ?? [];
  const matching = groups.filter((each) => words.every((word) => title(each).includes(word))), shown = matching.slice(0, MOST);
  $("filter-label").hidden = groups.length < 2;
  children($("groups"), [shown, token, open, examples, Math.floor(Date.now() / 20000)], () => shown.map(group));
  say($("groups-more"), matching.length > MOST && `The largest ${MOST} of ${plural(matching.length, "group")}. Filter to see the others.`);
}
$("filter").addEventListener("input", () => letters(given));
