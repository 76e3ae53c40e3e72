// <voice-player>: plays one recording, draws where it is in its waveform, and lights the word that is spoken.
// The words stand elsewhere on the page and may be swapped at any time: they are looked up anew on every frame.
(() => {
  const STEP_S = 5;
  const SPEEDS = [1, 1.25, 1.5, 0.75];
  const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
  let speed = 1;

  class VoicePlayer extends HTMLElement {
    connectedCallback() {
      if (this.audio) return;
      this.audio = new Audio();
      this.audio.preload = "none";
      this.length = Number(this.dataset.seconds);
      this.wave = this.querySelector("[role=slider]");
      this.played = this.querySelector("clipPath rect");
      this.width = this.wave.viewBox.baseVal.width;
      this.button = this.querySelector("[data-do=play]");
      this.time = this.querySelector("[data-clock]");
      for (const name of ["play", "pause", "ended", "seeked", "loadedmetadata", "timeupdate"]) {
        this.audio.addEventListener(name, () => this.show());
      }
      this.audio.addEventListener("play", () => this.run());
      this.audio.addEventListener("error", () => this.failed());
      this.addEventListener("click", (event) => this.press(event));
      this.addEventListener("keydown", (event) => this.key(event));
      this.wave.addEventListener("pointerdown", (event) => this.drag(event));
      this.wave.addEventListener("pointermove", (event) => {
        if (this.wave.hasPointerCapture(event.pointerId)) this.seek(this.at(event));
      });
      this.hidden = false;
      this.show();
    }

    disconnectedCallback() {
      // A morph may only move it: then it is back before this runs, and the voice goes on.
      queueMicrotask(() => {
        if (!this.isConnected) this.audio?.pause();
      });
    }

    // Nothing is fetched before somebody wants to hear it: every hearing is audited.
    load() {
      if (!this.audio.getAttribute("src")) this.audio.src = this.dataset.src;
      this.audio.playbackRate = speed;
    }

    get now() {
      return this.wanted ?? this.audio.currentTime;
    }

    play() {
      document.querySelectorAll("voice-player").forEach((other) => other !== this && other.audio?.pause());
      this.load();
      this.note("");
      this.audio.play().catch((error) => error.name === "AbortError" || this.failed());
    }

    toggle() {
      if (this.audio.paused) this.play();
      else this.audio.pause();
    }

    seek(to) {
      const at = Math.min(Math.max(0, to), Math.max(0, this.length - 0.05));
      this.load();
      if (this.audio.readyState >= 1) {
        this.audio.currentTime = at;
      } else {
        this.wanted = at;
        this.audio.addEventListener(
          "loadedmetadata",
          () => {
            this.audio.currentTime = this.wanted ?? 0;
            this.wanted = undefined;
          },
          { once: true },
        );
        if (this.audio.paused) this.audio.load();
      }
      this.show();
    }

    press(event) {
      const what = event.target.closest("[data-do]")?.dataset.do;
      if (what === "play") this.toggle();
      if (what === "back") this.seek(this.now - STEP_S);
      if (what === "on") this.seek(this.now + STEP_S);
      if (what === "speed") {
        speed = SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length];
        document.querySelectorAll("voice-player").forEach((player) => player.paced());
      }
    }

    paced() {
      if (this.audio) this.audio.playbackRate = speed;
      this.querySelector("[data-speed]").textContent = String(speed);
    }

    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const steps = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, ArrowDown: -STEP_S, ArrowUp: STEP_S };
      if (event.key === " " && !event.target.closest("button")) this.toggle();
      else if (event.key in steps) this.seek(this.now + steps[event.key]);
      else if (event.key === "Home") this.seek(0);
      else if (event.key === "End") this.seek(this.length);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    at(event) {
      const box = this.wave.getBoundingClientRect();
      return ((event.clientX - box.left) / box.width) * this.length;
    }

    drag(event) {
      this.wave.setPointerCapture(event.pointerId);
      this.seek(this.at(event));
    }

    run() {
      this.show();
      if (!this.audio.paused && this.isConnected) requestAnimationFrame(() => this.run());
    }

    show() {
      const at = this.now;
      this.played.setAttribute("width", String((at / this.length) * this.width));
      this.time.textContent = at || !this.audio.paused ? clock(at) : clock(Math.round(this.length));
      this.wave.setAttribute("aria-valuenow", String(Math.floor(at)));
      this.wave.setAttribute("aria-valuetext", `${clock(at)} / ${clock(Math.round(this.length))}`);
      this.classList.toggle("playing", !this.audio.paused);
      this.button.setAttribute("aria-label", this.audio.paused ? this.dataset.play : this.dataset.pause);
      this.light(at);
    }

    light(at) {
      const words = document.getElementById(this.dataset.words)?.getElementsByClassName("w") ?? [];
      let low = 0;
      let high = words.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (Number(words[middle].dataset.s) <= at) low = middle + 1;
        else high = middle;
      }
      const spoken = at > 0 || !this.audio.paused ? words[low - 1] : undefined;
      if (this.lit !== spoken) this.lit?.classList.remove("lit");
      spoken?.classList.add("lit");
      this.lit = spoken;
    }

    failed() {
      this.classList.remove("playing");
      this.audio.removeAttribute("src");
      this.note(this.dataset.failed);
    }

    note(text) {
      this.querySelector("[data-note]").textContent = text;
    }
  }

  customElements.define("voice-player", VoicePlayer);

  document.addEventListener("click", (event) => {
    const word = event.target.closest?.(".w");
    const player = document.getElementById(word?.closest("[data-player]")?.dataset.player ?? "");
    // Selecting words to copy them is not asking to hear them.
    if (!word || !player?.seek || String(getSelection())) return;
    player.seek(Number(word.dataset.s));
    player.play();
  });
})();
