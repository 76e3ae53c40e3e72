// What the page shows of the phone. html[data-phone] is the state, and each trouble has its words in #phone-troubles:
// nothing that keeps a call from being heard may go unseen.
export const root = document.documentElement;
export const phone = document.getElementById("phone");

// With one of these no call can be taken; somebody has to do something.
const FATAL = new Set([
  "insecure", "no-webrtc", "microphone-ask", "microphone-refused", "microphone-missing", "microphone-busy", "refused", "signed-out",
]);
const HAS_NONE = new Set(["off", "elsewhere"]);
// What concerns a page that has no phone, too.
const ANYWHERE = new Set(["other-in-call", "signed-out"]);

const troubles = new Set();
let line = "off";
let call = "";

export const has = (name) => troubles.has(name);
export const lineState = () => line;
export const inCall = () => call !== "";
export const talking = () => call === "talking";
export const holds = () => !HAS_NONE.has(line);

export function fire(name, detail = {}) {
  document.body.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
}

function show() {
  const fatal = holds() && [...troubles].some((name) => FATAL.has(name));
  const state = call || (fatal ? "failed" : line);
  const said = [...troubles].filter((name) => holds() || ANYWHERE.has(name));
  for (const words of document.querySelectorAll("#phone-troubles [data-trouble]")) {
    words.hidden = !said.includes(words.dataset.trouble);
  }
  document.getElementById("phone-troubles").hidden = said.length === 0;
  if (root.dataset.phone === state) return;
  root.dataset.phone = state;
  fire("phone-state", { state });
}

// off, elsewhere, connecting, ready
export function setLine(state) {
  line = state;
  // Whether this page may be heard stays so, whoever has the phone.
  if (!holds()) for (const name of [...troubles]) if (!ANYWHERE.has(name) && name !== "sound-locked") troubles.delete(name);
  show();
}

// ringing, talking, or nothing
export function setCall(state) {
  call = state;
  show();
}

export function trouble(name, on = true) {
  if (on === troubles.has(name)) return;
  if (on) troubles.add(name);
  else troubles.delete(name);
  show();
}

export function post(path, fields = {}) {
  return fetch(path, {
    method: "POST",
    headers: { "X-CSRF": phone.dataset.csrf },
    body: new URLSearchParams(fields),
    redirect: "manual",
    keepalive: true,
    signal: AbortSignal.timeout(15000),
  });
}

export function recall(name) {
  try { return localStorage.getItem(`freeline-${name}`) || ""; } catch { return ""; }
}

export function keep(name, value) {
  try { localStorage.setItem(`freeline-${name}`, value); } catch { /* a browser that keeps nothing still works */ }
}
