// Clocks that count, the place in the navigation, and how many wait in the window's title.
(() => {
  "use strict";
  const root = document.documentElement;
  const skew = Date.now() / 1000 - Number(root.dataset.now || Date.now() / 1000);

  function lengthOf(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(s / 3600);
    return hours ? `${hours}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  }

  function tick() {
    const now = Date.now() / 1000 - skew;
    for (const clock of document.querySelectorAll("[data-since]")) {
      const seconds = now - Number(clock.dataset.since);
      clock.textContent = lengthOf(seconds);
      if (clock.dataset.late) clock.classList.toggle("late", seconds > Number(clock.dataset.late));
    }
    for (const clock of document.querySelectorAll("[data-until]")) clock.textContent = lengthOf(Math.ceil(Number(clock.dataset.until) - now));
  }

  // On a narrow screen the pages are a row that is swiped: where one is, is in view.
  function show(link) {
    const row = link.parentElement;
    const past = link.getBoundingClientRect().right - row.getBoundingClientRect().right + 28;
    if (past > 0) row.scrollLeft += past;
  }

  function place() {
    for (const link of document.querySelectorAll("#nav a[data-here]")) {
      const here = new RegExp(link.dataset.here).test(location.pathname);
      if (here && !link.hasAttribute("aria-current")) show(link);
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const count = document.querySelector("#queue-count [data-waiting]");
    const waiting = count ? Number(count.dataset.waiting) : 0;
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = waiting ? `(${waiting}) ${title}` : title;
    tick();
  }

  document.addEventListener("htmx:afterSettle", place);
  document.addEventListener("htmx:historyRestore", place);
  document.addEventListener("htmx:pushedIntoHistory", () => {
    const menu = document.getElementById("me");
    if (menu) menu.open = false;
    place();
  });
  document.addEventListener("change", (event) => {
    const select = event.target.closest("select[data-submit]");
    if (select) select.form.requestSubmit();
  });
  setInterval(tick, 1000);
  place();
})();
