// Single keys on the page of a doubtful pair, and waiting for a trial. Pages work without it.
// It is loaded as a file: the content security policy allows no script in a page.
"use strict";

const review = document.querySelector("[data-review]");
if (review) {
  const KEPT = "yihe-single-keys";
  const line = review.querySelector("[data-keys]");
  const toggle = review.querySelector("[data-keys-switch]");
  const announce = review.querySelector("[data-announce]");
  if (line && toggle) {
    line.hidden = false;
    toggle.checked = localStorage.getItem(KEPT) !== "off";
    toggle.addEventListener("change", () => localStorage.setItem(KEPT, toggle.checked ? "on" : "off"));
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing || !toggle || !toggle.checked) {
      return;
    }
    const target = review.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (target) {
      event.preventDefault();
      announce.textContent = announce.dataset.sending;
      target.click();
    }
  });
}

const waiting = document.querySelector("[data-poll]");
if (waiting) {
  const ask = async () => {
    const answer = await fetch(waiting.dataset.poll, { headers: { accept: "application/json" } }).catch(() => null);
    if (answer && answer.ok && (await answer.json()).state === "running") {
      setTimeout(ask, 2000);
    } else if (answer) {
      location.reload();
    } else {
      setTimeout(ask, 10000);
    }
  };
  setTimeout(ask, 1000);
}
