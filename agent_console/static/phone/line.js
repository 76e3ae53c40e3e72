// The line to Asterisk: a WebSocket of our own console, a secret that is fetched anew each time it opens, and the registration.
import { hasten } from "./ice.js";
import { phone, post, setLine, trouble } from "./page.js";

const DOMAIN = "freeline.invalid";
const TAKEN = 4001;
const SIGNED_OUT = 4002;
// Said by us: this page is left or loaded again, and its calls with it.
const LEFT = 4003;
const REFUSED_AFTER = 3;

// What JsSIP asks of a socket. JsSIP itself waits and tries again, and keeps its calls meanwhile.
class Socket {
  constructor(line) {
    this.line = line;
    this.via_transport = location.protocol === "https:" ? "WSS" : "WS";
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/phone/sip`;
    this.sip_uri = `sip:${DOMAIN};transport=ws`;
    this.turn = 0;
    this.ws = null;
    addEventListener("pagehide", () => this.ws?.close(LEFT));
  }

  // JsSIP takes no async function for one.
  connect() {
    this.open();
  }

  async open() {
    const turn = ++this.turn;
    const given = await this.line.credentials();
    if (turn !== this.turn) return;
    if (!given) return this.ondisconnect(true, 1006, "");
    const ws = new WebSocket(`${this.url}?page=${given.page}`, "sip");
    this.ws = ws;
    ws.onopen = () => this.onconnect();
    ws.onmessage = (event) => this.ondata(event.data);
    ws.onclose = (event) => {
      if (this.ws !== ws) return;
      this.ws = null;
      this.line.closed(event.code);
      this.ondisconnect(true, event.code, "");
    };
  }

  disconnect() {
    this.turn += 1;
    const ws = this.ws;
    this.ws = null;
    if (ws) ws.close();
  }

  // It is open, and yet of no use: begin again.
  again() {
    if (this.ws) this.ws.close(4000);
  }

  send(message) {
    if (this.ws?.readyState !== WebSocket.OPEN) return false;
    this.ws.send(message);
    return true;
  }
}

export class Line {
  constructor({ onSession, onTaken, onBack }) {
    this.onTaken = onTaken;
    this.page = "";
    this.ice = [];
    this.refused = 0;
    this.over = false;
    this.socket = new Socket(this);
    this.ua = new JsSIP.UA({
      sockets: [this.socket],
      uri: `sip:${phone.dataset.user}@${DOMAIN}`,
      authorization_user: phone.dataset.user,
      password: "none yet",
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 15,
      register_expires: 300,
      session_timers: false,
      user_agent: "Freeline",
    });
    this.ua.on("registered", () => {
      this.refused = 0;
      for (const name of ["connection-lost", "asterisk-away", "refused"]) trouble(name, false);
      setLine("ready");
      onBack();
    });
    this.ua.on("disconnected", () => this.down());
    this.ua.on("unregistered", () => this.down());
    this.ua.on("registrationFailed", (event) => this.registrationFailed(event.response));
    this.ua.on("newRTCSession", (event) => {
      if (event.originator === "remote") onSession(event.session, event.request, this.ice);
    });
  }

  get registered() {
    return !this.over && this.ua.isRegistered();
  }

  start() {
    setLine("connecting");
    this.ua.start();
  }

  // Let go of the phone. Asterisk forgets it with the connection.
  stop() {
    if (this.over) return;
    this.over = true;
    this.page = "";
    this.socket.disconnect();
    this.ua.transport.disconnect();
    this.ua.stop();
  }

  // A fresh secret over a new connection.
  again() {
    this.socket.again();
  }

  down() {
    if (!this.over) setLine("connecting");
  }

  async credentials() {
    let answer;
    try {
      answer = await post("/phone/credentials");
    } catch {
      trouble("connection-lost");
      return null;
    }
    if (this.over) return null;
    trouble("connection-lost", false);
    trouble("asterisk-away", answer.status >= 500);
    if (answer.status === 401 || answer.type === "opaqueredirect") this.ended(SIGNED_OUT);
    else if (answer.status >= 400 && answer.status < 500) trouble("refused");
    if (!answer.ok) return null;
    trouble("refused", this.refused >= REFUSED_AFTER);
    const given = await answer.json();
    this.ua.set("authorization_user", given.user);
    this.ua.set("realm", given.realm);
    this.ua.set("password", given.secret);
    this.page = given.page;
    this.ice = given.ice;
    return given;
  }

  registrationFailed(response) {
    if (this.over || !response) return;
    // Somebody else was given a secret, or Asterisk forgot ours: ask for a fresh one.
    this.refused += 1;
    if (this.refused >= REFUSED_AFTER) trouble("refused");
    this.again();
  }

  closed(code) {
    if (code === TAKEN || code === SIGNED_OUT) this.ended(code);
    else if (code === 1012) trouble("asterisk-away");
    else if (code !== 4000) trouble("connection-lost");
  }

  ended(code) {
    if (this.over) return;
    this.stop();
    this.onTaken(code === SIGNED_OUT);
  }

  call(target, options) {
    const session = this.ua.call(`sip:${target}@${DOMAIN}`, { ...options, pcConfig: { iceServers: this.ice } });
    hasten(session);
    return session;
  }
}
