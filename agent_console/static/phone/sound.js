// What is heard: the caller's voice, the ring, and a tone for the check; each on the device that was chosen for it.
import { keep, recall, trouble } from "./page.js";

const element = (id) => document.getElementById(id);
const KINDS = { speaker: ["phone-voice", "phone-tone"], ring: ["phone-ring"] };
let shared = null;

export const canChoose = "setSinkId" in HTMLMediaElement.prototype;
export const chosen = (kind) => recall(kind);

export function context() {
  shared ??= new AudioContext();
  return shared;
}

// A browser lets a page be heard only after somebody has touched it. A ring that nobody hears is a call lost.
export function unlock() {
  const ctx = context();
  const look = () => trouble("sound-locked", ctx.state !== "running");
  ctx.addEventListener("statechange", look);
  const touch = () => {
    if (ctx.state === "running") return;
    ctx.resume().then(() => {
      look();
      const voice = element("phone-voice");
      if (voice.srcObject && voice.paused) voice.play().catch(() => {});
    });
  };
  for (const name of ["pointerdown", "keydown", "click"]) document.addEventListener(name, touch, true);
  // It may say 'suspended' for a moment although it may be heard.
  Promise.race([ctx.resume(), new Promise((done) => setTimeout(done, 1000))]).then(look);
}

async function play(audio) {
  try {
    await audio.play();
    trouble("sound-locked", false);
    return true;
  } catch (error) {
    if (error.name === "NotAllowedError") trouble("sound-locked");
    return error.name === "AbortError";
  }
}

export function ring(on) {
  const audio = element("phone-ring");
  if (!on) {
    audio.pause();
    return undefined;
  }
  audio.currentTime = 0;
  return play(audio);
}

export function hear(stream) {
  const voice = element("phone-voice");
  voice.srcObject = stream;
  if (stream) play(voice);
}

export const tone = () => play(element("phone-tone"));

export async function choose(kind, id) {
  keep(kind, id);
  trouble("speaker-gone", false);
  await apply(kind);
}

async function apply(kind) {
  if (!canChoose) return;
  for (const name of KINDS[kind]) {
    try {
      await element(name).setSinkId(chosen(kind));
    } catch (error) {
      // It is not plugged in now: the usual one is better than none.
      if (chosen(kind)) trouble("speaker-gone", error.name === "NotFoundError");
      await element(name).setSinkId("").catch(() => {});
    }
  }
}

export async function devicesChanged(found) {
  const outputs = found.filter((d) => d.kind === "audiooutput" && d.deviceId);
  if (!canChoose || !outputs.length) return;
  const gone = Object.keys(KINDS).some((kind) => chosen(kind) && !outputs.some((d) => d.deviceId === chosen(kind)));
  trouble("speaker-gone", gone);
  for (const kind of Object.keys(KINDS)) await apply(kind);
}

export async function start() {
  unlock();
  for (const kind of Object.keys(KINDS)) await apply(kind);
}
