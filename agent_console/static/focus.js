// Where the focus goes: into a form that opens, and back to the button that opened it when it closes.
(() => {
  "use strict";
  const FIELD = "[data-first], input:not([type=hidden]):not([disabled]), select, textarea";
  const OPENER = "[data-key], summary, a.quiet-link, button";

  // A menu with a form. The event does not bubble.
  document.addEventListener("toggle", ({ target }) => {
    if (!target.matches?.("details.pop")) return;
    const summary = target.querySelector("summary");
    if (target.open) (target.querySelector("[data-first]") || target.querySelector(FIELD))?.focus();
    else if (target.contains(document.activeElement) || document.activeElement === document.body) summary?.focus();
  }, true);
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.activeElement?.closest("details.pop[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary")?.focus();
  });

  // A form that takes the place of a part of the page, and the part that takes its place again. htmx itself sees to `autofocus`.
  let closing = "";
  document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
    const inside = target?.id && target.contains(document.activeElement) && target.querySelector("form [type=submit], form button");
    closing = inside ? target.id : "";
  });
  document.addEventListener("htmx:afterSettle", () => {
    const part = closing && document.getElementById(closing);
    closing = "";
    if (!part || document.activeElement !== document.body) return;
    const next = part.querySelector("form [autofocus], form [aria-invalid]") || part.querySelector(OPENER);
    next?.focus({ preventScroll: true });
  });
})();
