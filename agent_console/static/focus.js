// Where the focus goes: into a form that opens, and back to the button that opened it when it closes.
(() => {
  "use strict";
  const FIELD = "[data-first], input:not([type=hidden]):not([disabled]), select, textarea";
  const OPENER = "[id^=edit-]"; // what opens a form in its own place; never the act of another row

  // A menu with a form. The event does not bubble.
  document.addEventListener("toggle", ({ target }) => {
    if (!target.matches?.("details.pop")) return;
    const summary = target.querySelector("summary");
    if (target.open) (target.querySelector("[data-first]") || target.querySelector(FIELD))?.focus();
    else if (target.contains(document.activeElement)) summary?.focus({ preventScroll: true });
  }, true);
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.activeElement?.closest("details.pop[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary")?.focus();
  });

  // A form that takes the place of a part of the page, and the part that takes its place again. htmx itself sees to `autofocus`.
  const closing = new WeakMap(); // request -> id of the part that its form stood in
  document.addEventListener("htmx:beforeSwap", ({ detail: { target, requestConfig, xhr } }) => {
    // Of a form's own answer alone: a page that fetches itself again moves nobody's focus.
    const form = requestConfig?.elt?.closest?.("form");
    if (requestConfig?.verb === "get" || target?.id === "main") return;
    if (form && target?.id && target.contains(form) && target.contains(document.activeElement)) closing.set(xhr, target.id);
  });
  document.addEventListener("htmx:afterSettle", ({ detail: { xhr } }) => {
    const part = closing.has(xhr) && document.getElementById(closing.get(xhr));
    closing.delete(xhr);
    if (!part || document.activeElement !== document.body) return;
    const next = part.querySelector("form [autofocus], form [aria-invalid]") || part.querySelector(OPENER);
    next?.focus({ preventScroll: true });
  });
})();
