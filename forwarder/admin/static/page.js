// Asks for the state every two seconds, and shows what is wrong and what to do.
import { $, button, children, copy, el, known, marked, plural, say, span, text, when } from "./kit.js";
import { tiles } from "./charts.js";
import { fleet } from "./fleet.js";
import { letters, load } from "./letters.js";
import { ask, attempt, done, fetched, token } from "./actions.js";

let last = null, heard = new Date(), timer, nextTry = null;

function headline({ tone, title, sentence, detail, steps }) {
  if ($("state").dataset.tone !== tone) $("icon").href = `${tone}.svg`;
  $("state").dataset.tone = tone;
  document.title = `${title} · ${$("queue").textContent}`;
  text($("title"), title);
  text($("sentence"), sentence);
  say($("detail"), detail);
  // What scrolls must be reachable with the keyboard.
  $("detail").tabIndex = $("detail").scrollHeight > $("detail").clientHeight + 1 ? 0 : -1;
  children($("steps"), steps, () => steps.map((step) => el("li", {}, ...marked(step))));
}
const runbook = ({ runbook: anchor, title }) => (anchor ? [el("a", { href: `runbook#${anchor}`, "aria-label": `Runbook: ${title}` }, "Runbook")] : []);
function other(found) {
  const node = copy("other", { name: found.title, said: found.detail || found.sentence, step: [...marked(found.steps[0] ?? ""), " ", ...runbook(found)] });
  node.dataset.tone = found.tone;
  return node;
}

function resume() {
  const { findings: [{ reason, detail }], now } = last, own = `resume-${reason}`;
  ask($(own) ? own : "resume", { left: `Backlog: ${plural(now.backlog, "event")}.`, why: detail });
}
function ways({ findings: [found], state, silence, halted_since: since }) {
  const silent = ["outage", "silent"].includes(found.reason);
  const act = token && (state === "halted" ? ["Resume…", "resume", resume] : silent && ["Try now", "retry", () => attempt(() => fetched("retry", {}))]);
  children($("ways"), act, () => (act ? [button(...act, { class: "main" })] : []));
  nextTry = silent && known(silence?.next_try) ? performance.now() + 1000 * silence.next_try : null;
  tick();
  const more = [...(since ? [`Since ${when(since)}`] : []), ...runbook(found)];
  children($("more"), more.map(String), () => more);
}
function tick() {
  const seconds = Math.ceil((nextTry - performance.now()) / 1000);
  say($("countdown"), nextTry && (seconds > 0 ? `next try in ${span(seconds)}` : "trying now"));
}

function render(d) {
  last = d;
  text($("queue"), d.queue);
  headline(d.findings[0]);
  ways(d);
  children($("others"), d.findings, () => d.findings.slice(1).map(other));
  $("tiles").hidden = d.untouched;
  tiles(d);
  for (const id of ["concurrency", "rate", "answers", "totals"]) text($(id), d.notes[id] ?? "");
  fleet(d);
  letters(d.letters);
  $("version").textContent = d.version;
  document.body.dataset.may = token ? "act" : d.actions ? "unlock" : "read";
}

async function poll() {
  let lost;
  try {
    const found = await fetched("status.json");
    heard = new Date();
    await load().catch(({ message }) => done(message));
    render(found);
  } catch ({ message }) {
    lost = true;
    alone(message);
  }
  $("contact").className = lost ? "lost" : "live";
  text($("contact"), lost ? "no contact" : "live");
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, 2000);
}
function alone(detail) {
  const sentence = `No answer since ${heard.toLocaleTimeString("en-GB")}. Events stay in Redis. The figures are from then. The page keeps trying.`;
  headline({ tone: "bad", title: "No contact with this worker", sentence, detail, steps: ["Check that it runs and can be reached. `forwarder status` asks Redis instead."] });
  ways({ findings: [{}] });
}

document.addEventListener("changed", poll);
document.addEventListener("visibilitychange", () => document.hidden || poll());
setInterval(tick, 1000);
poll();
