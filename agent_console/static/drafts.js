// A note is kept on the server as it is typed, so that nothing is lost with a page, a tab or the power.
(() => {
  "use strict";
  const PAUSE_MS = 800;
  let timer = 0;
  let sending = null;
  let again = false;

  const field = () => document.querySelector("#note-form textarea[data-draft]");

  function say(words) {
    const line = document.querySelector("#note-form [data-draft-said]");
    if (line) line.textContent = words;
  }

  async function send() {
    clearTimeout(timer);
    timer = 0;
    const text = field();
    if (!text) return;
    if (sending) { again = true; return; }
    const typed = text.value;
    const { draft, keptWords, failedWords } = text.dataset;
    const form = new FormData(text.form);
    sending = fetch(draft, { method: "POST", body: new URLSearchParams(form), keepalive: typed.length < 15000, redirect: "manual" });
    try {
      const answer = await sending;
      if (!answer.ok) throw new Error();
      const at = await answer.text();
      // What is kept is no longer in danger: leaving the page need not ask.
      if (field() === text) {
        text.defaultValue = typed;
        delete text.form.dataset.unkept;
        say(at ? keptWords.replace("{time}", at) : "");
      }
    } catch {
      if (field() === text) {
        text.form.dataset.unkept = "";
        say(failedWords);
      }
      if (!timer) timer = setTimeout(send, 5000);
    } finally {
      sending = null;
    }
    if (again) { again = false; send(); }
  }

  document.addEventListener("input", (event) => {
    if (event.target !== field()) return;
    clearTimeout(timer);
    timer = setTimeout(send, PAUSE_MS);
  });
  // Leaving with the last words just typed: they go now.
  const flush = () => { if (timer) send(); };
  addEventListener("pagehide", flush);
  document.addEventListener("visibilitychange", () => { if (document.hidden) flush(); });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, target } = event.detail;
    if (elt.id === "note-form") {
      // It is saved as a note now: no draft of it may come after.
      clearTimeout(timer);
      timer = 0;
      again = false;
    } else if (target?.id === "main") flush();
  });
})();
