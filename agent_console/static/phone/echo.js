// A test call that comes straight back: a tone that nobody hears goes to Asterisk, and must be found in what returns.
import * as sound from "./sound.js";

const HZ = 1000;
const WITHIN_MS = 9000;
const FOUND_DB = -60;
const ABOVE_NEIGHBOURS_DB = 15;
let running = null;

function source(ctx) {
  const tone = ctx.createOscillator();
  const volume = ctx.createGain();
  const out = ctx.createMediaStreamDestination();
  tone.frequency.value = HZ;
  volume.gain.value = 0.25;
  tone.connect(volume).connect(out);
  tone.start();
  return { tone, stream: out.stream };
}

function listener(ctx, stream) {
  // Chromium gives a remote stream to nobody before an element plays it; this one plays it to nobody.
  const sink = new Audio();
  sink.muted = true;
  sink.srcObject = stream;
  sink.play().catch(() => {});
  const analyser = ctx.createAnalyser();
  analyser.fftSize = 4096;
  ctx.createMediaStreamSource(stream).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const at = Math.round((HZ * analyser.fftSize) / ctx.sampleRate);
  return () => {
    analyser.getFloatFrequencyData(bins);
    const aside = Math.max(bins[at * 2 + at / 2 | 0], bins[at / 2 | 0]);
    return bins[at] > FOUND_DB && bins[at] > aside + ABOVE_NEIGHBOURS_DB;
  };
}

async function numbers(peer) {
  let packets = 0;
  let ms = null;
  for (const report of (await peer.getStats()).values()) {
    if (report.type === "inbound-rtp" && report.kind === "audio") packets += report.packetsReceived || 0;
    if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime !== undefined) {
      ms = Math.ceil(report.currentRoundTripTime * 1000);
    }
  }
  return { packets, ms };
}

// { heard, ms } or { heard: false, why }: unanswered (no test call), one-way (sound is lost on the way out), no-sound (nothing returns).
export async function echo(line) {
  running?.();
  const ctx = sound.context();
  await ctx.resume();
  const { tone, stream } = source(ctx);
  let peer = null;
  let hears = null;
  let over = false;
  const session = line.call("echo", {
    mediaStream: stream,
    eventHandlers: {
      peerconnection: (event) => {
        peer = event.peerconnection;
        peer.addEventListener("track", (e) => { hears = listener(ctx, e.streams[0] || new MediaStream([e.track])); });
      },
      failed: () => { over = true; },
      ended: () => { over = true; },
    },
  });
  // Outgoing calls make their connection before they tell of it.
  peer ??= session.connection;
  if (peer && !hears) peer.addEventListener("track", (e) => { hears ??= listener(ctx, e.streams[0] || new MediaStream([e.track])); });
  const end = () => {
    tone.stop();
    try { session.terminate(); } catch { /* it is over */ }
    running = null;
  };
  running = end;
  const until = Date.now() + WITHIN_MS;
  let found = false;
  let last = { packets: 0, ms: null };
  while (!found && !over && Date.now() < until) {
    await new Promise((done) => setTimeout(done, 100));
    found = Boolean(hears?.());
    if (peer) last = await numbers(peer);
  }
  const answered = session.isEstablished();
  if (running === end) end();
  if (found) return { heard: true, ms: last.ms };
  return { heard: false, why: !answered ? "unanswered" : last.packets ? "one-way" : "no-sound" };
}

// A real call comes first.
document.body.addEventListener("phone-rings", () => running?.());
