// What a case's page keeps through a refetch: the voice, open menus, and whatever somebody is typing.
(() => {
  "use strict";
  const callbacks = Idiomorph.defaults.callbacks;

  callbacks.beforeNodeMorphed = (old) => {
    if (old.nodeType !== 1 || !old.hasAttribute("data-keep")) return true;
    // An empty form may be drawn anew; a player and a half-typed form may not.
    return false;
  };
  callbacks.beforeNodeRemoved = (old) => !(old.nodeType === 1 && old.matches("[data-keep]") && typed(old));
  callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.tagName === "DETAILS" && !done.has(node));

  const done = new WeakSet();

  function typed(part) {
    return [...part.querySelectorAll("textarea, input:not([type=hidden])")].some((field) =>
      field.type === "checkbox" || field.type === "radio"
        ? field.checked !== field.defaultChecked
        : field.value.trim() !== field.defaultValue.trim(),
    );
  }

  const drafts = () => [...document.querySelectorAll("#case [data-keep]")].filter(typed);

  // A form in a small menu that was done closes its menu.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const menu = event.detail.requestConfig?.elt?.closest("details.pop, details.again");
    if (!menu || !event.detail.xhr || event.detail.xhr.status >= 400) return;
    done.add(menu);
    menu.open = false;
  });
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
