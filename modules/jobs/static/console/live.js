// Keeps the regions marked data-live as fresh as their page: every few seconds the page is asked for anew and the
// regions are replaced. Stands still while the tab is hidden, something is opened, selected, typed in or being pressed,
// or the reader has switched it off. Without scripts the page is what it was when it came.
(() => {
  const SECONDS = 3, SLOWEST = 60, PATIENCE = 10, KEY = "backroom.live";
  let wait = SECONDS, timer = 0, turn = 0, isPressed = false, state = "";

  const regions = (page) => [...page.querySelectorAll("[data-live]")];
  const isOn = () => localStorage.getItem(KEY) !== "off";
  // What came open with the page (data-open) is no sign that somebody reads on.
  const OPENED = "details[open]:not([data-open]), details[data-open]:not([open]), input:checked";
  const isBusy = () =>
    document.hidden ||
    isPressed || // what is replaced between press and release gets no click
    regions(document).some((region) => region.contains(document.activeElement) || region.querySelector(OPENED)) ||
    !document.getSelection().isCollapsed;

  const show = (name) => {
    const pill = document.querySelector("[data-live-pill]");
    if (!pill || state === name) return;
    state = name;
    pill.dataset.state = name;
    pill.querySelector("span:last-child").textContent = pill.dataset[name];
    pill.setAttribute("aria-pressed", String(name !== "off"));
  };

  const replace = (page) => {
    const fresh = new Map(regions(page).map((region) => [region.dataset.live, region]));
    for (const region of regions(document)) {
      const other = fresh.get(region.dataset.live);
      if (other && other.innerHTML !== region.innerHTML) region.replaceChildren(...other.childNodes);
    }
  };

  const watchPresses = () => {
    // The click comes after the release, and something else may have its turn in between.
    const release = () => setTimeout(() => (isPressed = false));
    addEventListener("pointerdown", () => (isPressed = true), true);
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, release, true);
    addEventListener("blur", release);
  };

  const refresh = async () => {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE * 1000) });
    if (answer.redirected) return location.reload(); // logged out
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (!isBusy()) replace(new DOMParser().parseFromString(text, "text/html"));
  };

  const tick = async () => {
    clearTimeout(timer);
    const mine = ++turn; // a tick that another one overtakes sets no timer, or there would be two
    if (!isOn()) return show("off");
    try {
      if (isBusy()) show("paused");
      else {
        await refresh();
        show("on");
      }
      wait = SECONDS;
    } catch {
      show("lost");
      wait = Math.min(wait * 2, SLOWEST);
    }
    if (mine === turn) timer = setTimeout(tick, wait * 1000);
  };

  const start = () => {
    const pill = document.querySelector("[data-live-pill]");
    if (!pill || !regions(document).length) return;
    pill.hidden = false;
    watchPresses();
    pill.addEventListener("click", () => {
      localStorage.setItem(KEY, isOn() ? "off" : "on");
      tick();
    });
    document.addEventListener("visibilitychange", () => document.hidden || tick());
    show(isOn() ? "on" : "off");
    timer = setTimeout(tick, SECONDS * 1000);
  };

  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
