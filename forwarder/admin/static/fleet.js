// The workers and the lists, as tables. Of many, the noteworthy come first.
import { $, children, count, el, rate, span, text } from "./kit.js";

const FEW = 20;
const warn = (value, odd = true) => (odd ? el("b", { class: "warn" }, value) : value);

function fill(id, rows, weigh, cells) {
  const sorted = rows.length > FEW ? [...rows].sort((a, b) => weigh(b) - weigh(a)) : rows;
  children($(id), sorted, () => sorted.map((each) => el("tr", {}, ...cells(each).map((cell) => el("td", {}, ...[cell].flat())))));
}

export function fleet({ workers, lists, version }) {
  const differs = (each) => each.version !== version;
  text($("workers-said"), count(workers.length));
  fill("workers", workers, (each) => (each.reason || differs(each) ? 2 : 0) + each.this, (each) => [
    [each.name, ...(each.this ? [" ", el("span", { class: "badge" }, "this one")] : [])],
    warn(each.reason ? `${each.state}: ${each.reason}` : each.state, each.reason),
    warn(each.version || "unknown", differs(each)),
    span(each.uptime),
    count(each.lists),
    rate(each.accepted),
  ]);
  const odd = (each) => !each.held || each.alive === false;
  text($("lists-said"), count(lists.length));
  fill("lists", lists, (each) => (odd(each) ? 1e18 : 0) + each.waiting + each.claimed, (each) => [
    each.list,
    warn(each.owner, odd(each)),
    each.held ? span(each.lease_seconds) : "–",
    count(each.waiting),
    count(each.claimed),
  ]);
}
