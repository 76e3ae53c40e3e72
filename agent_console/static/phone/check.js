// The check at the start of a shift: microphone, sound, network and notifications, each fine or wrong with what to do about it.
// What it found holds as long as this page does, and until a device changes.
import * as microphone from "./microphone.js";
import * as sound from "./sound.js";
import { echo } from "./echo.js";
import { relay } from "./ice.js";
import { meterOf } from "./call.js";
import { has, holds, inCall, root } from "./page.js";

const NEEDED = ["microphone", "sound", "network"];
const LOUD = 0.01;
const LOUD_TIMES = 5;
const QUIET_AFTER_MS = 6000;
const STEP_MS = 60;
const REGISTERED_WITHIN_MS = 8000;

const dialog = document.getElementById("phone-check");
let turn = 0;
let stream = null;
let timer = 0;
let pending = null;
let getLine = () => null;

const row = (name) => dialog.querySelector(`[data-check=${name}]`);
// What is noted does not keep anybody from a call.
const fine = (name) => ["fine", "note"].includes(row(name).dataset.result);

// result: wait, fine, wrong, note
function say(name, result, words = result, number = "") {
  row(name).dataset.result = result;
  for (const p of row(name).querySelectorAll("[data-say]")) {
    p.hidden = p.dataset.say !== words;
    if (p.dataset.words) p.textContent = p.dataset.words.replace("{n}", number);
  }
  const passed = NEEDED.every(fine);
  root.dataset.phoneChecked = passed ? "yes" : "no";
  dialog.dataset.passed = passed ? "yes" : "no";
}

export async function check(lineNow, begin) {
  if (inCall() || !dialog) return;
  getLine = lineNow;
  if (!dialog.open) dialog.showModal();
  dialog.dataset.pending = pending ? "yes" : "no";
  turn += 1;
  sound.context().resume();
  if (!fine("sound")) say("sound", "wait");
  notifications();
  await listenTo(turn);
  await fill();
  await begin();
  await network(turn);
}

async function listenTo(mine) {
  quiet();
  say("microphone", "wait");
  try {
    stream = await microphone.open();
  } catch {
    return say("microphone", "wrong", ["missing", "busy"].find((w) => has(`microphone-${w}`)) || "refused");
  }
  if (mine !== turn) return microphone.close(stream);
  await sound.context().resume();
  const level = meterOf(stream);
  const meter = row("microphone").querySelector("meter");
  const began = Date.now();
  let loud = 0;
  timer = setInterval(() => {
    const now = level ? level() : 0;
    meter.value = Math.min(1, Math.sqrt(now) * 1.6);
    if (now > LOUD) loud += 1;
    if (loud === LOUD_TIMES) say("microphone", "fine");
    if (loud < LOUD_TIMES && Date.now() - began > QUIET_AFTER_MS) say("microphone", "wrong", "silent");
  }, STEP_MS);
  return undefined;
}

function quiet() {
  clearInterval(timer);
  microphone.close(stream);
  stream = null;
}

async function network(mine) {
  say("network", "wait");
  sayRelay("");
  const until = Date.now() + REGISTERED_WITHIN_MS;
  while (!getLine()?.registered && Date.now() < until) await new Promise((done) => setTimeout(done, 100));
  if (mine !== turn) return;
  if (!getLine()?.registered) return say("network", "wrong", whyNot());
  const [found, way] = await Promise.all([echo(getLine()), relay(getLine().ice)]);
  if (mine !== turn || inCall()) return;
  const works = ["", "fine"].includes(way) ? "fine" : "note";
  const words = found.ms === null ? "both-ways" : "fine";
  say("network", found.heard ? works : "wrong", found.heard ? words : found.why, found.ms);
  sayRelay(way);
}

// Why the phone is not connected: exactly that is said, here where the agent looks.
function whyNot() {
  if (!holds()) return "elsewhere";
  if (!microphone.usable()) return "no-microphone";
  return ["connection-lost", "asterisk-away", "refused"].find(has) || "not-registered";
}

// The relay is for those whose network lets sound through no other way.
function sayRelay(way) {
  for (const p of row("network").querySelectorAll("[data-relay]")) p.hidden = p.dataset.relay !== way;
}

function notifications() {
  const may = "Notification" in window ? Notification.permission : "denied";
  say("notifications", { granted: "fine", denied: "note" }[may] || "wait", { granted: "fine", denied: "denied" }[may] || "wait");
}

// The devices to choose from; their names are told only after the microphone was allowed.
async function fill() {
  const found = await navigator.mediaDevices.enumerateDevices();
  const kinds = { microphone: "audioinput", speaker: "audiooutput", ring: "audiooutput" };
  for (const [name, kind] of Object.entries(kinds)) {
    const select = dialog.querySelector(`select[data-device=${name}]`);
    const usual = select.options[0];
    const own = found.filter((d) => d.kind === kind && d.deviceId && d.deviceId !== "default" && d.deviceId !== "communications");
    select.replaceChildren(usual, ...own.map((d, n) => new Option(d.label || `${usual.text} ${n + 2}`, d.deviceId)));
    select.value = name === "microphone" ? microphone.chosen() : sound.chosen(name);
    if (select.selectedIndex < 0) select.value = "";
    select.disabled = name !== "microphone" && !sound.canChoose;
  }
}

async function hearTone() {
  await sound.tone();
  dialog.querySelector("[data-heard]").hidden = false;
}

const deeds = {
  tone: hearTone,
  ring: async () => {
    await sound.ring(true);
    setTimeout(() => { if (!inCall()) sound.ring(false); }, 2400);
  },
  heard: () => {
    say("sound", "fine");
    dialog.querySelector("[data-heard]").hidden = true;
    [".go", "[data-do=again]"].map((name) => dialog.querySelector(name)).find((b) => b.getClientRects().length)?.focus();
  },
  unheard: () => say("sound", "wrong"),
  notify: () => Notification.requestPermission().then(notifications),
  again: () => check(getLine, async () => {}),
  ready: () => goReady(),
  close: () => dialog.close(),
};

function goReady() {
  const go = pending;
  pending = null;
  dialog.close();
  go?.();
}

// Ready without a phone that was checked would make the first caller find out.
export function mayBeReady(event, lineNow, begin) {
  const { path, verb, elt, triggeringEvent, issueRequest } = event.detail;
  if (verb !== "post" || path !== "/state" || !holds()) return;
  const form = elt.closest("form");
  if (!form || new FormData(form, triggeringEvent?.submitter).get("to") !== "ready") return;
  if (root.dataset.phoneChecked === "yes" && root.dataset.phone === "ready") return;
  event.preventDefault();
  pending = () => issueRequest(true);
  check(lineNow, begin);
}

if (dialog) {
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button) deeds[button.dataset.do]?.();
  });
  dialog.addEventListener("change", async (event) => {
    const kind = event.target.dataset.device;
    if (!kind) return;
    if (kind === "microphone") {
      microphone.choose(event.target.value);
      await listenTo(turn);
    } else {
      await sound.choose(kind, event.target.value);
      if (kind === "speaker") say("sound", "wait");
    }
  });
  dialog.addEventListener("close", () => {
    turn += 1;
    pending = null;
    quiet();
    sound.ring(false);
  });
  // A call comes first.
  document.body.addEventListener("phone-rings", () => { if (dialog.open) dialog.close(); });
  microphone.onChange(() => { if (dialog.open) fill(); });
}
