// One tab holds the phone. The lock is the browser's own, and ends with the tab, however it ends.
const NAME = "freeline-phone";
const ANSWER_MS = 1500;

export class Tab {
  constructor({ onHeld, onElsewhere, mayLetGo }) {
    this.onHeld = onHeld;
    this.onElsewhere = onElsewhere;
    this.release = null;
    this.waiting = null;
    this.replies = new BroadcastChannel(NAME);
    this.replies.onmessage = ({ data }) => {
      if (data.ask && this.release) this.replies.postMessage({ may: mayLetGo() });
      else if ("may" in data) this.replied?.(data.may);
    };
  }

  // Hold it if nobody does, and else when the other tab is gone.
  async start() {
    await this.request({ ifAvailable: true });
  }

  async queue() {
    this.waiting = new AbortController();
    await this.request({ signal: this.waiting.signal });
  }

  // Take it from the tab that has it. False when that one is in a call. One that does not answer is frozen.
  async take() {
    if (this.release) return true;
    const may = await new Promise((done) => {
      this.replied = done;
      this.replies.postMessage({ ask: true });
      setTimeout(() => done(true), ANSWER_MS);
    });
    if (!may) return false;
    this.waiting?.abort();
    this.request({ steal: true });
    return true;
  }

  async request(options) {
    try {
      await navigator.locks.request(NAME, options, (lock) => {
        if (!lock) return undefined;
        const held = new Promise((done) => { this.release = done; });
        this.onHeld();
        return held;
      });
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      if (!this.release) return;
    }
    // Either it was never free, or another tab has taken it.
    if (options.ifAvailable || this.release) {
      this.release = null;
      this.onElsewhere();
      this.queue();
    }
  }
}
