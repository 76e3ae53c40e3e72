// What the page does around a call: the card while it rings, the case beside the phone once it is answered, the choices.
(() => {
  "use strict";
  const root = document.documentElement;
  const BY_ITSELF = new Set(["back", "callback"]); // nothing to decide: the phone answers
  const OPENED = "freeline-opened";
  const TOLD_MS = 12000;
  const bar = () => document.getElementById("bar");
  const pop = () => document.getElementById("pop");
  const card = () => document.getElementById("call-card");
  let ringing = ""; // the call whose card is shown, or asked for
  let seen = false; // the bar has said that it rings
  let stopped = ""; // whom the agent stopped calling, or sent away
  let asked = null; // somebody is being called in: in which call, and what to say when they do not answer
  if (!pop()) return;

  function show(call, kind) {
    if (!call || ringing === call || BY_ITSELF.has(kind)) return;
    ringing = call;
    seen = false;
    const query = kind ? `?kind=${encodeURIComponent(kind)}` : "";
    // When it fails live.js says so; its promise has nothing to add, and must not end as an error of nobody.
    htmx.ajax("GET", `/phone/calls/${encodeURIComponent(call)}${query}`, { source: pop(), target: "#pop", swap: "outerHTML" }).catch(() => {});
  }

  function close() {
    ringing = "";
    seen = false;
    if (!pop().hasChildNodes()) return;
    const empty = document.createElement("div");
    empty.id = "pop";
    htmx.swap(pop(), empty.outerHTML, { swapStyle: "outerHTML" });
  }

  document.body.addEventListener("phone-rings", (event) => show(event.detail.call, event.detail.kind));
  document.body.addEventListener("phone-answered", close);
  document.body.addEventListener("phone-ended", close);

  // The bar is the server's word: it also says that a phone rings which is not in this page.
  function look() {
    const now = bar();
    if (!now?.dataset.status) return;
    const { status, call } = now.dataset;
    if (status === "ringing") {
      show(call, "");
      if (ringing === call) seen = true;
    } else if (seen || status === "on_call") close();
    unanswered(now);
    if (status !== "on_call") card().replaceChildren();
    else beside(now);
  }

  // Somebody was called in and is gone, and nobody stopped calling them: that is said, and not only by their absence.
  function unanswered(now) {
    const strip = now.querySelector("[data-party]");
    if (strip?.dataset.unanswered && strip.dataset.party !== stopped) asked = { call: now.dataset.call, words: strip.dataset.unanswered };
    else {
      if (asked && !strip && now.dataset.status === "on_call" && now.dataset.call === asked.call) tell(asked.words);
      asked = null;
    }
  }

  function tell(words) {
    const line = document.createElement("p");
    line.className = "said bad";
    line.setAttribute("role", "status");
    line.textContent = words;
    document.getElementById("bar-said").replaceChildren(line);
    setTimeout(() => line.remove(), TOLD_MS);
  }

  // On the answer the case opens beside the phone, once a call, and never over something that is half typed.
  function beside(now) {
    const { call, case: path } = now.dataset;
    if (!path || root.dataset.phone === "elsewhere" || recall() === call) return;
    keep(call);
    if (location.pathname === path) return write();
    if (halfTyped()) return tellNotOpened(path, now);
    document.body.addEventListener("htmx:afterSettle", function settled(event) {
      if (event.detail.target?.id !== "main" && location.pathname !== path) return;
      document.body.removeEventListener("htmx:afterSettle", settled);
      write();
    });
    const link = now.querySelector(".case-link");
    if (!link) return;
    // What was just morphed in may not be taken over by htmx yet: a plain link would leave the page, and the call with it.
    htmx.process(link);
    link.click();
  }

  // A note is kept by itself, and a search is no work; anything else that differs from what was drawn is.
  function halfTyped() {
    return [...document.querySelectorAll("#main form[method=post]:not(#note-form)")].some((form) =>
      [...form.elements].some((f) => {
        if (f.type === "hidden" || f.type === "submit" || f.tagName === "BUTTON" || f.tagName === "FIELDSET") return false;
        if (f.type === "checkbox" || f.type === "radio") return f.checked !== f.defaultChecked;
        if (f.tagName === "SELECT") return [...f.options].some((o) => o.selected !== o.defaultSelected) && f.selectedIndex > 0;
        return f.value !== f.defaultValue;
      }),
    );
  }

  function tellNotOpened(path, now) {
    const line = document.createElement("p");
    line.className = "said bad";
    line.setAttribute("role", "alert");
    line.append(document.getElementById("cards").dataset.notOpened, " ");
    const link = now.querySelector(".case-link")?.cloneNode(true);
    if (link) line.append(link);
    const said = document.getElementById("bar-said");
    said.replaceChildren(line);
    htmx.process(said);
  }

  // A thumb wants to see what is known first; a keyboard wants to write.
  function write() {
    const note = document.getElementById("note-text");
    if (note && matchMedia("(min-width: 901px)").matches) note.focus({ preventScroll: true });
  }

  function recall() {
    try { return sessionStorage.getItem(OPENED); } catch { return null; }
  }
  function keep(call) {
    try { sessionStorage.setItem(OPENED, call); } catch { /* then it may open once more */ }
  }

  document.addEventListener("htmx:afterSettle", look);
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!event.detail.requestConfig?.path.endsWith("/return")) return;
    // A piece that is on its way may still show them as called.
    stopped = bar().querySelector("[data-party]")?.dataset.party || "";
    asked = null;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, xhr, requestConfig } = event.detail;
    // A refusal is an answer too, and its line stays until something else was done.
    if (xhr.status >= 400 || requestConfig?.verb !== "post" || requestConfig.target?.id !== "bar") return;
    document.getElementById("bar-said").replaceChildren();
    if (card().contains(elt) || requestConfig.path.endsWith("/consult")) card().replaceChildren();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close-card]")) card().replaceChildren();
    else if (card().hasChildNodes() && !event.target.closest("#call-card, #bar")) card().replaceChildren();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && card().hasChildNodes()) card().replaceChildren();
  });
  look();
})();
