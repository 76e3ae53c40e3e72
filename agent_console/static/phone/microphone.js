// The microphone: opened for each call anew, so that it is on only while somebody talks.
import { has, keep, recall, trouble } from "./page.js";

const WRONG = ["microphone-ask", "microphone-refused", "microphone-missing", "microphone-busy"];
const listeners = new Set();
const devices = () => navigator.mediaDevices.enumerateDevices();

export const usable = () => !WRONG.some(has);
export const onChange = (listener) => listeners.add(listener);
export const chosen = () => recall("microphone");

export function choose(id) {
  keep("microphone", id);
  trouble("microphone-gone", false);
}

function say(wrong) {
  for (const name of WRONG) trouble(name, name === wrong);
}

function why(error) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return "microphone-refused";
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return "microphone-missing";
  return "microphone-busy";
}

async function ask(id) {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  if (id) audio.deviceId = { exact: id };
  return navigator.mediaDevices.getUserMedia({ audio });
}

// A stream of its own for each use. When the chosen microphone is gone another one is taken, and that is said.
export async function open() {
  const waiting = setTimeout(() => trouble("microphone-ask"), 700);
  try {
    let stream = null;
    if (chosen()) {
      stream = await ask(chosen()).catch((error) => {
        if (why(error) !== "microphone-missing") throw error;
        return null;
      });
      trouble("microphone-gone", stream === null);
    }
    stream ??= await ask("");
    say("");
    return stream;
  } catch (error) {
    say(why(error));
    throw error;
  } finally {
    clearTimeout(waiting);
    trouble("microphone-ask", false);
  }
}

export const close = (stream) => stream?.getTracks().forEach((track) => track.stop());

// Whether a call could be heard from here: the only way to know is to open it.
export async function probe() {
  try {
    close(await open());
  } catch { /* said by open */ }
  return usable();
}

async function changed() {
  const found = await devices();
  const inputs = found.filter((d) => d.kind === "audioinput");
  if (!inputs.length) say("microphone-missing");
  else if (!usable()) await probe();
  else if (chosen() && inputs.some((d) => d.deviceId)) trouble("microphone-gone", !inputs.some((d) => d.deviceId === chosen()));
  for (const listener of listeners) listener(found);
}

export function watch() {
  navigator.mediaDevices.addEventListener("devicechange", changed);
  navigator.permissions?.query({ name: "microphone" }).then((permission) => {
    permission.addEventListener("change", () => {
      if (permission.state === "denied") {
        say("microphone-refused");
        for (const listener of listeners) listener([]);
      } else changed();
    });
  }).catch(() => { /* not every browser tells; then the next call does */ });
}
