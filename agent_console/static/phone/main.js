// The phone of this page: who holds it, when it begins, and what its buttons do.
import * as call from "./call.js";
import * as microphone from "./microphone.js";
import * as sound from "./sound.js";
import { check, mayBeReady } from "./check.js";
import { Line } from "./line.js";
import { fire, holds, inCall, phone, post, root, setLine, talking, trouble } from "./page.js";
import { Tab } from "./tab.js";

let line = null;
let tab = null;
let notOurs = 0;

export const theLine = () => line;

function browserCan() {
  trouble("insecure", !window.isSecureContext);
  const can = window.isSecureContext && window.RTCPeerConnection && navigator.mediaDevices?.getUserMedia && navigator.locks;
  trouble("no-webrtc", window.isSecureContext && !can);
  return Boolean(can);
}

// Registered only while a call could be heard: Asterisk rings nobody who could not answer.
async function begin() {
  if (line || !tab.release) return;
  setLine("connecting");
  if (!(await microphone.probe())) return;
  if (line || !tab.release) return;
  line = new Line({ onSession: call.rings, onTaken: taken, onBack: () => call.now()?.refresh() });
  line.start();
}

function stop(state) {
  line?.stop();
  line = null;
  setLine(state);
}

// The server gave the phone to another page, or the sign-in ended.
function taken(signedOut) {
  line = null;
  call.letGo();
  setLine("elsewhere");
  if (!signedOut) return;
  trouble("signed-out");
  fire("signed-out");
}

function microphoneChanged() {
  if (!line) begin();
  else if (!microphone.usable() && !inCall()) {
    stop("connecting");
  }
}

// Another page asked for the phone and did not take it: nobody has it, and ours would look as if it had. Once is a hand-over
// that is under way; twice, and it is ours to mend.
async function here() {
  const asked = line?.page;
  if (!asked) return;
  const answer = await post("/phone/heartbeat", { page: asked });
  if (!answer.ok || line?.page !== asked) return;
  notOurs = (await answer.json()).yours ? 0 : notOurs + 1;
  if (notOurs < 2) return;
  notOurs = 0;
  line.again();
}

const deeds = {
  answer: () => call.now()?.answer(),
  decline: () => !talking() && call.now()?.decline(),
  end: () => call.now()?.end(),
  mute: () => talking() && call.now().mute(),
  keypad: () => keypad(document.getElementById("phone-keys").hidden),
  digit: (button) => press(button.value),
  test: () => check(theLine, begin),
  take,
};

async function take() {
  trouble("other-in-call", false);
  if (tab.release) return begin();
  if (!(await tab.take())) trouble("other-in-call");
}

function keypad(open) {
  document.getElementById("phone-keys").hidden = !open;
  for (const b of document.querySelectorAll("button[data-phone=keypad]")) b.setAttribute("aria-expanded", String(open));
}

function press(digit) {
  if (!talking()) return;
  call.now().press(digit);
  const pressed = document.getElementById("phone-pressed");
  pressed.textContent = (pressed.textContent + digit).slice(-16);
}

function listen() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-phone]");
    if (button) deeds[button.dataset.phone]?.(button);
  });
  // A link that has only just been drawn is not htmx's yet, and would load the whole page: the call would be gone.
  document.addEventListener("click", (event) => {
    const own = inCall() && event.target.closest("a[href], form");
    if (own) htmx.process(own);
  }, true);
  // While the keypad is open, digits are for the call.
  document.addEventListener("keydown", (event) => {
    if (document.getElementById("phone-keys").hidden || !talking()) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    if (event.key === "Escape") keypad(false);
    if (!/^[0-9*#]$/.test(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    press(event.key);
  }, true);
  document.body.addEventListener("phone-ended", () => {
    keypad(false);
    document.getElementById("phone-pressed").textContent = "";
  });
  // Answered here and now: the timers of a hidden page sleep, its live feed does not.
  document.body.addEventListener("are-you-there", () => here().catch(() => {}));
  new MutationObserver(() => trouble("feed-lost", holds() && root.dataset.live === "off"))
    .observe(root, { attributeFilter: ["data-live"] });
  document.body.addEventListener("htmx:confirm", (event) => mayBeReady(event, theLine, begin));
}

function browserName() {
  const agent = navigator.userAgent;
  return /Firefox\//.test(agent) ? "firefox" : /Chrom(e|ium)\//.test(agent) ? "chrome" : "safari";
}

function start() {
  root.dataset.browser = browserName();
  listen();
  if (!browserCan()) {
    setLine("connecting");
    return;
  }
  microphone.watch();
  microphone.onChange((found) => { sound.devicesChanged(found); microphoneChanged(); });
  sound.start();
  tab = new Tab({
    onHeld: () => begin(),
    onElsewhere: () => stop("elsewhere"),
    mayLetGo: () => !inCall(),
  });
  // An agent who answers on a phone of their own takes this one only when they say so.
  if (phone.dataset.own === "yes") setLine("off");
  else tab.start();
}

if (phone) start();
