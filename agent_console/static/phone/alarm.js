// A call that rings is seen too: in the window's title, and as a notification when nobody looks at the page.
import { phone } from "./page.js";

const FLASH_MS = 1000;
let flashing = 0;
let before = "";
let notice = null;

export function alarm(on) {
  clearInterval(flashing);
  if (before) document.title = before;
  before = "";
  notice?.close();
  notice = null;
  if (!on) return;
  const words = phone.dataset.ringing;
  before = document.title;
  document.title = words;
  flashing = setInterval(() => {
    // Another page may have come meanwhile: then its title is the one to come back to.
    if (document.title !== words) before = document.title;
    document.title = document.title === words ? before : words;
  }, FLASH_MS);
  if (document.hidden) notify(words);
}

function notify(words) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    // Nothing of the caller: whoever stands by may read it.
    notice = new Notification(words, { tag: "freeline-call", requireInteraction: true });
    notice.onclick = () => {
      window.focus();
      notice?.close();
    };
  } catch { /* some phones allow them to apps only */ }
}
