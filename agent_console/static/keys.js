// Letter keys press the button that shows them, when no field has focus and no dialog is open. J and K move the focus among rows,
// Enter opens the row. Ctrl+Enter answers a call that rings, else saves the form. ? shows the keys. Escape twice hides the screen.
(() => {
  "use strict";
  const TWICE_MS = 700;
  let escapedAt = -Infinity;
  const blank = () => document.getElementById("blank");

  function hide(on) {
    const sheet = blank();
    if (!sheet) return;
    sheet.hidden = !on;
    // The page under it is out of reach of the keyboard and of a screen reader.
    for (const part of document.body.children) if (part !== sheet) part.inert = on;
    const menu = document.getElementById("me");
    if (menu) menu.open = false;
  }

  const typing = (el) => el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName));
  // What a closed menu holds has a place on the page, and is not seen.
  const seen = (el) => (el.checkVisibility ? el.checkVisibility() : Boolean(el.offsetParent));
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const current = () => document.querySelector("[data-row][aria-current]");

  function choose(row, moving = false) {
    for (const other of rows()) other.removeAttribute("aria-current");
    if (!row) return;
    row.setAttribute("aria-current", "true");
    if (!moving) return; // a row that was morphed is only marked again: somebody may be typing
    row.scrollIntoView({ block: "nearest" });
    // The focus itself moves: Enter opens the row, Tab goes on to what can be done with it, and a screen reader says which it is.
    row.querySelector("a[href]")?.focus({ preventScroll: true });
  }

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(current());
    choose(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))], true);
  }

  // The keys that the page has now, each with the words of its button; those that hold everywhere are in the template.
  function showKeys() {
    const dialog = document.getElementById("keys");
    const list = dialog?.querySelector("[data-page-keys]");
    if (!list) return;
    const shown = new Map();
    for (const button of document.querySelectorAll("[data-key]")) {
      if (!seen(button) || button.disabled || shown.has(button.dataset.key)) continue;
      const words = button.cloneNode(true);
      for (const part of words.querySelectorAll("kbd, .sr")) part.remove();
      const text = words.textContent.trim() || button.getAttribute("aria-label") || button.title;
      if (text) shown.set(button.dataset.key, text);
    }
    list.replaceChildren(...[...shown].flatMap(([letter, text]) => {
      const key = document.createElement("dt");
      key.append(Object.assign(document.createElement("kbd"), { textContent: letter.toUpperCase() }));
      return [key, Object.assign(document.createElement("dd"), { textContent: text })];
    }));
    dialog.showModal();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const now = event.timeStamp;
      if (now - escapedAt < TWICE_MS) { hide(blank()?.hidden); escapedAt = -Infinity; } else escapedAt = now;
      return;
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      if (event.repeat || event.isComposing || (blank() && !blank().hidden)) return;
      const answer = [...document.querySelectorAll("[data-answer]")].find((b) => b.getClientRects().length);
      if (answer) { event.preventDefault(); answer.click(); return; }
      const form = document.activeElement?.closest("form[method=post]");
      if (form && typing(document.activeElement)) { event.preventDefault(); form.requestSubmit(); }
      return;
    }
    const alarm = document.querySelector(`[data-anywhere="${event.key}"]`);
    if (alarm && seen(alarm) && !event.repeat) { event.preventDefault(); alarm.click(); return; }
    if (document.documentElement.dataset.keys === "off" || (blank() && !blank().hidden)) return;
    if (document.querySelector("dialog[open]")) return; // no key acts behind it
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(document.activeElement)) return;
    const letter = event.key.toLowerCase();
    if (letter === "j" || letter === "k") { move(letter === "j" ? 1 : -1); event.preventDefault(); return; }
    if (letter === "?") { event.preventDefault(); showKeys(); return; }
    if (!/^[a-z0-9/!]$/.test(letter)) return;
    const find = (where) => where && [...where.querySelectorAll(`[data-key="${letter}"]`)].find((b) => !b.disabled && seen(b));
    // What the bar asks or offers comes first: a call in progress is never behind the page under it.
    const button = find(document.getElementById("bar")) || find(current()) || [...document.querySelectorAll(`[data-key="${letter}"]`)].find((b) => !b.closest("[data-row]") && seen(b));
    if (button) { event.preventDefault(); button.focus(); button.click(); }
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-blank]")) hide(true);
    else if (event.target.closest("[data-unblank]")) hide(false);
    else if (event.target.closest("[data-show-keys]")) { document.getElementById("me").open = false; showKeys(); }
    const menu = document.getElementById("me");
    if (menu && menu.open && !menu.contains(event.target)) menu.open = false;
  });

  // A row that was morphed keeps its place: the server does not know which one is current.
  let kept = null;
  document.addEventListener("htmx:beforeSwap", () => { kept = current() && current().id; });
  document.addEventListener("htmx:afterSwap", () => {
    const row = kept && document.getElementById(kept);
    if (row && !current()) choose(row);
  });
})();
