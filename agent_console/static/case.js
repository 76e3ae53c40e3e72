// What a case's page keeps through a refetch: the voice, open menus, and whatever somebody is typing.
(() => {
  "use strict";
  const MENUS = "details.pop, details.again";
  const callbacks = Idiomorph.defaults.callbacks;
  // The menu whose own form was answered: it alone is drawn as the answer says.
  let answered = null;

  const element = (node) => node.nodeType === Node.ELEMENT_NODE;
  const kept = (node) => node.hasAttribute("data-keep") || (node.matches(MENUS) && node.open && node !== answered);

  callbacks.beforeNodeMorphed = (old) => !(element(old) && kept(old));
  callbacks.beforeNodeRemoved = (old) => !(element(old) && old.hasAttribute("data-keep") && typed(old));
  callbacks.beforeAttributeUpdated = (name, node) => name !== "open" || node.tagName !== "DETAILS" || node === answered;

  document.addEventListener("htmx:beforeSwap", (event) => {
    answered = event.detail.requestConfig?.elt?.closest(MENUS) ?? null;
  });
  document.addEventListener("htmx:afterSwap", () => {
    answered = null;
  });

  function typed(part) {
    return [...part.querySelectorAll("textarea, input:not([type=hidden])")].some((field) =>
      field.type === "checkbox" || field.type === "radio"
        ? field.checked !== field.defaultChecked
        : field.value.trim() !== field.defaultValue.trim(),
    );
  }

  // A note is kept as it is typed, see drafts.js; only one that could not be kept is in danger.
  const inDanger = (part) => part.id !== "note-form" || "unkept" in part.dataset;
  const drafts = () => [...document.querySelectorAll("#case [data-keep]")].filter((part) => typed(part) && inDanger(part));

  // A small menu closes by a click outside it and by Escape.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.pop[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.("details.pop[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // Leaving with something half typed asks first.
  addEventListener("beforeunload", (event) => {
    if (drafts().length) event.preventDefault();
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const leaves = event.detail.target?.id === "main" && !event.detail.elt.closest("[data-keep]");
    const words = document.querySelector("#case")?.dataset.leaving;
    if (leaves && words && drafts().length && !confirm(words)) event.preventDefault();
  });
})();
