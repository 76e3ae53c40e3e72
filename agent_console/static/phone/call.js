// The one call of this page: it rings, is answered, and ends. A second one is refused, so that Asterisk asks somebody else.
import * as microphone from "./microphone.js";
import * as sound from "./sound.js";
import { alarm } from "./alarm.js";
import { hasten } from "./ice.js";
import { fire, inCall, phone, post, root, setCall, trouble } from "./page.js";

const SILENT_S = 5;
const MICROPHONE_SILENT_S = 10;
const END_MS = 3000;
// The agent was in this call, or has asked for it: nothing to decide.
const BY_ITSELF = new Set(["back", "callback"]);
const IN_CALL = ["no-sound", "sound-broken", "microphone-silent", "not-answered"];

let current = null;

export const now = () => current;

class Call {
  constructor(session, request, ice) {
    this.session = session;
    this.ice = ice;
    this.id = request.getHeader("X-Freeline-Call") || "";
    this.kind = request.getHeader("X-Freeline-Kind") || "queue";
    this.stream = null;
    this.peer = null;
    this.meter = null;
    this.watching = 0;
    this.packets = { count: -1, since: 0 };
    this.quietSince = 0;
    this.askedAt = 0;
    hasten(session);
    session.on("peerconnection", (event) => this.connected(event.peerconnection));
    session.on("accepted", () => this.talks());
    session.on("ended", () => this.over());
    session.on("failed", () => this.over());
  }

  ring() {
    setCall("ringing");
    phone.dataset.kind = this.kind;
    fire("phone-rings", { call: this.id, kind: this.kind });
    if (BY_ITSELF.has(this.kind)) return this.answer();
    sound.ring(true);
    return alarm(true);
  }

  async answer() {
    if (this.answering || current !== this) return;
    this.answering = true;
    sound.ring(false);
    try {
      this.stream = await microphone.open();
      if (current !== this) return microphone.close(this.stream);
      this.stream.getAudioTracks()[0].addEventListener("ended", () => this.replaceMicrophone());
      this.session.answer({ mediaStream: this.stream, pcConfig: { iceServers: this.ice } });
      trouble("not-answered", false);
    } catch {
      // It rings on: what is wrong is said, and may be mended before it stops.
      this.answering = false;
      trouble("not-answered");
      if (current === this && !BY_ITSELF.has(this.kind)) sound.ring(true);
    }
  }

  connected(peer) {
    this.peer = peer;
    peer.addEventListener("track", (event) => sound.hear(event.streams[0] || new MediaStream([event.track])));
    peer.addEventListener("iceconnectionstatechange", () => {
      trouble("sound-broken", ["disconnected", "failed"].includes(peer.iceConnectionState));
    });
  }

  talks() {
    alarm(false);
    setCall("talking");
    phone.dataset.call = this.id;
    fire("phone-answered", { call: this.id, kind: this.kind });
    this.packets = { count: -1, since: Date.now() };
    this.quietSince = Date.now();
    this.meter = meterOf(this.stream);
    this.watching = setInterval(() => this.watch(), 1000);
  }

  // Sound that stops arriving, and a microphone that says nothing, are said at once: the caller must not be left in silence.
  async watch() {
    if (!this.peer || this.peer.connectionState === "closed") return;
    let count = 0;
    for (const report of (await this.peer.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "audio") count += report.packetsReceived || 0;
    }
    if (current !== this) return;
    const at = Date.now();
    if (count !== this.packets.count) this.packets = { count, since: at };
    const silent = at - this.packets.since > SILENT_S * 1000;
    trouble("no-sound", silent);
    // Perhaps it is over, and nobody could tell us.
    if (silent && at - this.askedAt > SILENT_S * 1000) this.refresh();
    const track = this.stream.getAudioTracks()[0];
    const muted = root.hasAttribute("data-muted");
    if (muted || (!track.muted && this.meter?.() > 0)) this.quietSince = at;
    trouble("microphone-silent", at - this.quietSince > MICROPHONE_SILENT_S * 1000);
  }

  get dead() {
    return this.packets.count >= 0 && Date.now() - this.packets.since > 2500;
  }

  async replaceMicrophone() {
    if (current !== this) return;
    try {
      const fresh = await microphone.open();
      const sender = this.peer?.getSenders().find((s) => s.track?.kind === "audio");
      if (!sender || current !== this) return microphone.close(fresh);
      const track = fresh.getAudioTracks()[0];
      track.enabled = !root.hasAttribute("data-muted");
      await sender.replaceTrack(track);
      microphone.close(this.stream);
      this.stream = fresh;
      this.meter = meterOf(fresh);
      track.addEventListener("ended", () => this.replaceMicrophone());
    } catch { /* said by the microphone */ }
  }

  mute() {
    const on = !root.hasAttribute("data-muted");
    if (on) this.session.mute({ audio: true });
    else this.session.unmute({ audio: true });
    for (const track of this.stream?.getAudioTracks() || []) track.enabled = !on;
    root.toggleAttribute("data-muted", on);
    document.querySelectorAll("button[data-phone=mute]").forEach((b) => b.setAttribute("aria-pressed", String(on)));
  }

  press(digit) {
    this.session.sendDTMF(digit, { transportType: "RFC2833", duration: 120, interToneGap: 80 });
  }

  // The server ends every leg; when it cannot, ours ends all the same.
  async end() {
    if (this.ending) return;
    this.ending = true;
    if (this.id) {
      await Promise.race([
        post(`/phone/calls/${this.id}/end`).catch(() => {}),
        new Promise((done) => setTimeout(done, END_MS)),
      ]);
    }
    this.hangUp();
  }

  async decline() {
    sound.ring(false);
    await Promise.race([post("/phone/decline", { call: this.id }).catch(() => {}), new Promise((done) => setTimeout(done, END_MS))]);
    this.hangUp();
  }

  hangUp() {
    if (current !== this) return;
    try {
      if (this.session.isEstablished() || this.answering) this.session.terminate();
      else this.session.terminate({ status_code: 486 });
    } catch { /* it ended meanwhile */ }
    this.over();
  }

  over() {
    if (current !== this) return;
    current = null;
    clearInterval(this.watching);
    alarm(false);
    sound.ring(false);
    sound.hear(null);
    microphone.close(this.stream);
    root.removeAttribute("data-muted");
    document.querySelectorAll("button[data-phone=mute]").forEach((b) => b.setAttribute("aria-pressed", "false"));
    delete phone.dataset.call;
    for (const name of IN_CALL) trouble(name, false);
    setCall("");
    fire("phone-ended", { call: this.id, kind: this.kind });
  }

  // The connection was lost and is back: does Asterisk still have this call? It also learns where we are now.
  refresh() {
    if (!this.session.isEstablished()) return;
    this.askedAt = Date.now();
    this.session.sendRequest("UPDATE", {
      extraHeaders: [`Contact: ${this.session.contact}`],
      eventHandlers: { onDialogError: () => this.hangUp() },
    });
  }
}

// The loudness of a stream, from 0 to 1; nothing where the browser does not let us measure.
export function meterOf(stream) {
  const ctx = sound.context();
  if (!stream || ctx.state !== "running") return null;
  const analyser = ctx.createAnalyser();
  const samples = new Float32Array(analyser.fftSize);
  ctx.createMediaStreamSource(stream).connect(analyser);
  return () => {
    analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
  };
}

export function rings(session, request, ice) {
  const kind = request.getHeader("X-Freeline-Kind");
  if (current) {
    // Asterisk rings nobody who is in a call: the one that we still show is over there, or is brought back to us now.
    const back = kind === "back" && current.id === request.getHeader("X-Freeline-Call");
    if (!back && !current.dead) return session.terminate({ status_code: 486 });
    current.hangUp();
  }
  current = new Call(session, request, ice);
  return current.ring();
}

// A page that may not have the phone any more says nothing to Asterisk: the caller is brought to where the phone is now.
export function letGo() {
  current?.hangUp();
}

addEventListener("beforeunload", (event) => {
  if (inCall() && !leaving) event.preventDefault();
});
let leaving = false;
document.body.addEventListener("signed-out", () => { leaving = true; });
