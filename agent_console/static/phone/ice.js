// The way through firewalls: the STUN and TURN servers that came with the secret, and a look whether the relay takes us.
const ENOUGH_MS = 1500;
const RELAY_WITHIN_MS = 8000;
const WHY = { 401: "refused", 403: "refused", 438: "refused", 441: "refused", 486: "full", 508: "full" };

// JsSIP sends nothing before every server has answered. One that never does must not keep a caller waiting.
export function hasten(session) {
  let timer = 0;
  session.on("icecandidate", ({ candidate, ready }) => {
    if (candidate.type === "relay") ready();
    timer ||= setTimeout(() => { timer = 0; ready(); }, ENOUGH_MS);
  });
}

// "" without a relay; else fine, refused (our secret or a clock is wrong), full, or unreachable.
export async function relay(servers) {
  const turn = servers.filter((server) => server.username);
  if (!turn.length) return "";
  const peer = new RTCPeerConnection({ iceServers: turn, iceTransportPolicy: "relay" });
  try {
    const found = new Promise((done) => {
      let why = "unreachable";
      peer.onicecandidate = ({ candidate }) => { if (candidate?.type === "relay") done("fine"); };
      peer.onicecandidateerror = ({ errorCode }) => { why = WHY[errorCode] || why; };
      peer.onicegatheringstatechange = () => { if (peer.iceGatheringState === "complete") done(why); };
      setTimeout(() => done(why), RELAY_WITHIN_MS);
    });
    peer.createDataChannel("");
    await peer.setLocalDescription();
    return await found;
  } finally {
    peer.close();
  }
}
