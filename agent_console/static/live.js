// The live feed of a page. Events are names and ids; each element that listens fetches its own fragment (see ui.live).
// A page that is not live says so: html[data-live] is on, wait or off, and the style sheet shows the rest.
(() => {
  "use strict";
  const root = document.documentElement;
  if (root.dataset.live === "none") return;

  const SILENCE_MS = 25000;
  const RETRY_MS = 2000;
  const SAID_MS = 10000;
  const TAKEN_MS = 1000; // longer than htmx takes to settle an answer
  let source = null;
  let connected = false; // this feed has spoken
  let lost = false; // the last one broke, and no new one has spoken yet
  let before = false; // there was a feed before: what came in between was missed
  let feedDown = false; // the server hears no events
  let heardAt = Date.now();
  let retry = 0;
  const failed = new Set(); // pieces of the page that could not be fetched
  const underway = new Map(); // pages and acts that were asked for, each with the events heard since

  const fire = (name) => htmx.trigger(document.body, name);
  // A page with the phone is asked on its feed whether it is there, also while nobody looks at it.
  const hasPhone = () => !["none", "off", "elsewhere"].includes(root.dataset.phone);
  const inCall = () => ["ringing", "talking"].includes(root.dataset.phone);
  const asleep = () => document.hidden && !hasPhone();

  function show() {
    const silent = Date.now() - heardAt > SILENCE_MS;
    const off = lost || feedDown || silent || failed.size > 0;
    const state = off ? "off" : connected ? "on" : "wait";
    if (root.dataset.live === state) return;
    root.dataset.live = state;
    const last = document.querySelector("[data-last-live]");
    if (last && off) last.textContent = last.dataset.words.replace("{time}", new Date(heardAt).toTimeString().slice(0, 8));
  }

  function heard(name) {
    heardAt = Date.now();
    if (name === "signed-out") return fire(name);
    if (name === "feed-down") feedDown = true;
    if (name === "feed-up") feedDown = false;
    if (name === "feed-up") fire("refetch");
    else if (name !== "alive" && name !== "feed-down") {
      fire(name);
      for (const names of underway.values()) names.add(name);
    }
    show();
  }

  function open() {
    clearTimeout(retry);
    if (source || asleep()) return;
    const stream = new EventSource("/live");
    source = stream;
    stream.onmessage = (event) => {
      if (source !== stream) return;
      if (!connected) {
        connected = true;
        lost = feedDown = false;
        // Events are not sent again: fetch everything that may have changed in between.
        if (before) fire("refetch");
        before = true;
      }
      heard(event.data);
    };
    stream.onerror = () => {
      if (source !== stream) return;
      close();
      lost = true;
      show();
      retry = setTimeout(open, RETRY_MS);
    };
  }

  function close() {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
    connected = false;
  }

  // A hidden page needs no feed, and six feeds use up a browser's connections.
  document.addEventListener("visibilitychange", () => {
    if (asleep()) return close();
    heardAt = Date.now();
    open();
    show();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  document.addEventListener("phone-state", () => (asleep() ? close() : open()));
  addEventListener("online", open);
  addEventListener("offline", () => { close(); lost = true; show(); });

  const path = (event) => event.detail.pathInfo && event.detail.pathInfo.requestPath;

  function fault(event) {
    const { requestConfig, xhr, target } = event.detail;
    if (!requestConfig) return;
    const page = target && target.id === "main";
    if (requestConfig.verb === "get" && !page) {
      // A piece of the page could not be fetched: it may be old now.
      failed.add(path(event));
      return show();
    }
    // The server answered with a page that says why: show it whole. Nobody answered, or a form failed: say so here.
    if (requestConfig.verb === "get" && xhr && xhr.status && !inCall()) return location.assign(path(event));
    const said = document.getElementById("said");
    if (!said) return;
    const line = document.createElement("p");
    line.className = "said bad";
    line.setAttribute("role", "alert");
    line.textContent = root.dataset.failed.replace("{status}", (xhr && xhr.status) || "–");
    said.replaceChildren(line);
    said.scrollIntoView({ block: "center" });
  }

  // Of two pages asked for in a row only the last may come: else the address is of one and the content of the other.
  let coming = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { target, requestConfig, xhr } = event.detail;
    if (target?.id !== "main" || requestConfig.verb !== "get") return;
    coming?.abort();
    coming = xhr;
  });

  // A page, or the answer to an act, may have been drawn before an event and come after it. So what was heard meanwhile is fired
  // again once it stands. A piece that fetches itself needs this not: its trigger replaces the request.
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt, target, xhr } }) => {
    if (target === elt) return;
    underway.set(xhr, new Set());
    xhr.addEventListener("loadend", () => setTimeout(() => underway.delete(xhr), TAKEN_MS));
  });
  document.addEventListener("htmx:afterSettle", ({ detail: { xhr } }) => {
    const names = underway.get(xhr) || [];
    underway.delete(xhr);
    for (const name of names) fire(name);
  });

  // What was clicked may be gone when its answer comes: a link of the bar, an act on a party who has just left. Away from the page it
  // inherits nothing, and htmx would put the answer inside its target, or nowhere. So it is brought back, out of sight, to take it.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, target, xhr } = event.detail;
    xhr.addEventListener("readystatechange", () => {
      // A card that asked for itself and was closed meanwhile stays closed.
      if (xhr.readyState !== XMLHttpRequest.DONE || elt.isConnected || !target.isConnected) return;
      const back = document.createElement("div");
      back.hidden = true;
      back.append(elt);
      document.body.append(back);
      setTimeout(() => back.remove(), TAKEN_MS);
    });
  });

  // Feed, phone and every piece of the page learn at once that the sign-in ended. The first goes there, and back here after it.
  let leaving = false;
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status !== 401) return;
    event.preventDefault();
    fire("signed-out");
  });
  document.body.addEventListener("signed-out", () => {
    if (leaving) return;
    leaving = true;
    setTimeout(() => { leaving = false; }, RETRY_MS);
    location.assign(`/sign-in?ended=1&next=${encodeURIComponent(location.pathname)}`);
  });

  // What went well is said for a while; what did not stays until something else is said.
  function letGo() {
    for (const line of document.querySelectorAll("#said .said:not(.bad, [data-leaves])")) {
      line.dataset.leaves = "";
      setTimeout(() => line.remove(), SAID_MS);
    }
  }
  document.addEventListener("htmx:afterSettle", letGo);
  letGo();

  // Pieces of a page that was left are nobody's concern any more.
  document.addEventListener("htmx:pushedIntoHistory", () => { failed.clear(); show(); });
  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, fault);
  }
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful && failed.delete(path(event))) show();
  });

  setInterval(() => {
    if (asleep()) return;
    if (source && Date.now() - heardAt > SILENCE_MS) { close(); lost = true; open(); }
    show();
  }, 1000);
  open();
})();
