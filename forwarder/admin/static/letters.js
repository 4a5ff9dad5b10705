// The dead letters: groups that have the same cause, with examples and actions.
import { $, ago, button, children, command, copy, count, el, known, marked, plural, say, text, when } from "./kit.js";
import { ask, asked, attempt, fetched, token } from "./actions.js";

const MOST = 10;
// With the token: the groups by name, and examples of the open one.
let named = null, examples = [], open = null;
let given = null;

const filter = ({ reason, status, name }) => ({ reason, ...(status && { status }), ...(known(name) && { name }) });
const title = (group) => Object.values(filter(group)).join(", ");
const query = (group) => new URLSearchParams(filter(group));

async function download(group) {
  const url = URL.createObjectURL(await (await asked(`export?${query(group)}`)).blob());
  el("a", { href: url, download: "dead-letters.ndjson" }).click();
  URL.revokeObjectURL(url);
}
// Unchanged, an invalid element would come back, so it is not replayed.
function acts(which, many, one, reason) {
  const what = which.id ?? title(which), parts = { which: what, many };
  const offer = (label, act) => button(label, `${label} ${what}`, act, { "aria-label": `${label} ${what}` });
  return [
    ...(reason === "invalid" ? [] : [offer("Replay…", () => ask(one ? "replay-one" : "replay", parts, which))]),
    ...(one ? [] : [offer("Export", () => attempt(() => download(which)))]),
    offer("Delete…", () => ask("delete", parts, which)),
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
    acts: acts({ id: each.id }, "1 dead letter", true, each.reason),
  });
}
function group(each) {
  const { id, reason, status, name, names } = each;
  const list = command(`forwarder dead list --reason ${reason}${status && ` --status ${status}`} --newest`);
  const look = button(open === id ? "Hide examples" : "Examples", `examples ${id}`, () => {
    open = open === id ? null : id;
    attempt(load);
  }, { "aria-label": `Examples of ${title(each)}`, "aria-expanded": open === id });
  return copy("group", {
    count: count(each.count),
    reason,
    status: status && `answer ${status}`,
    name,
    names: names && plural(names, "event name"),
    times: `last ${ago(each.last)}, first ${ago(each.first)}`,
    why: marked(each.explanation),
    hint: marked(each.hint ?? ""),
    acts: token ? [look, ...acts(filter(each), plural(each.count, "dead letter"), false, reason)] : [list],
    examples: open === id ? examples.map(letter) : null,
  });
}

// Asks for what only people with the token see.
export async function load() {
  if (!token) open = null;
  const group = named?.find((each) => each.id === open);
  const found = token ? await fetched(`letters.json${group ? `?${query(group)}` : ""}`) : {};
  named = found.groups;
  examples = (open && found.letters) || [];
}

export function letters(found) {
  given = found;
  text($("kept"), `${count(found?.kept)} kept${found?.exact === false ? "; the counts below are of the latest" : ""}`);
  say($("dead-problem"), found?.problem);
  const words = $("filter").value.split(/[\s,]+/), groups = named ?? found?.groups ?? [];
  const matching = groups.filter((each) => words.every((word) => title(each).includes(word))), shown = matching.slice(0, MOST);
  $("filter-label").hidden = groups.length < 2;
  children($("groups"), [shown, token, open, examples, Math.floor(Date.now() / 20000)], () => shown.map(group));
  say($("groups-more"), matching.length > MOST && `The largest ${MOST} of ${plural(matching.length, "group")}. Filter to see the others.`);
}
$("filter").addEventListener("input", () => letters(given));
