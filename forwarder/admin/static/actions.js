// The token, requests, and dialogs.
import { $, all, clock, say, text, write } from "./kit.js";

// A browser that stores nothing refuses this. The token then lasts until a reload.
const stored = (act) => {
  try {
    return act(sessionStorage);
  } catch {
    return null;
  }
};
export let token = stored((store) => store.getItem("token"));

export async function asked(path, body, key = token) {
  const headers = { ...(key && { Authorization: `Bearer ${key}` }), ...(body && { "Content-Type": "application/json" }) };
  const signal = AbortSignal.timeout(body ? 60000 : 8000);
  const sent = fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  // The words of browsers differ, and help nobody.
  const answer = await sent.catch(() => {
    throw new Error(`No answer.${body ? " Look whether it was done before you try again." : ""}`);
  });
  clock.ahead = new Date(answer.headers.get("Date") ?? Date.now()) - Date.now();
  if (answer.ok) return answer;
  if (answer.status === 401) lock();
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error ?? `The answer was ${answer.status}.`);
}
export const fetched = async (path, body) => (await asked(path, body)).json();
const changed = () => document.dispatchEvent(new Event("changed"));

function lock() {
  token = null;
  stored((store) => store.removeItem("token"));
}
let hide;
export function done(sentence) {
  say($("done"), sentence);
  clearTimeout(hide);
  hide = setTimeout(say, 8000, $("done"), "");
}
export async function attempt(work, failed = done) {
  try {
    const found = await work();
    if (found?.done) done(found.done);
    return true;
  } catch ({ message }) {
    failed(message);
  } finally {
    changed();
  }
}

const ACTS = {
  unlock: async ({ given }) => {
    await asked("letters.json", null, given.trim());
    token = given.trim();
    stored((store) => store.setItem("token", token));
  },
  resume: ({ refusals = 0 }) => fetched("resume", { allow_refusals: +refusals }),
  replay: ({ limit }, which) => fetched("replay", which.id ? which : { ...which, limit: +limit, canary: 1 }),
  pause: ({ minutes, why }) => fetched("pause", { seconds: minutes ? minutes * 60 : null, why }),
  delete: (_, which) => fetched("delete", which),
};
export function ask(name, parts = {}, which = {}) {
  const dialog = write($(name), parts);
  dialog.which = which;
  text(dialog.querySelector(".error"), "");
  dialog.querySelector("form").reset();
  dialog.showModal();
}
for (const dialog of all("dialog")) {
  const form = dialog.querySelector("form"), yes = dialog.querySelector(".main");
  dialog.querySelector(".cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    yes.disabled = true;
    const work = () => ACTS[dialog.dataset.act](Object.fromEntries(new FormData(form)), dialog.which);
    if (await attempt(work, (message) => text(dialog.querySelector(".error"), message))) dialog.close();
    if (dialog.id === "unlock") form.reset();
    yes.disabled = false;
  });
}
$("pause-open").addEventListener("click", () => ask("pause"));
$("lock").addEventListener("click", () => {
  if (!token) return ask("unlock");
  lock();
  changed();
});
