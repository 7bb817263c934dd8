// Shows beside a form what its fields would mean: asks the address of the part marked data-preview-url with what is
// typed, a moment after the last stroke, and takes the same part of the answer. Without scripts there is a link.
(() => {
  const REST = 400;

  const start = () => {
    const part = document.querySelector("[data-preview-url]");
    const form = part?.closest("form") ?? document.querySelector("#content-main form, form#alertrule_form");
    if (!part || !form) return;
    let timer = 0, newest = 0;

    const show = async () => {
      const mine = ++newest;
      const url = new URL(part.dataset.previewUrl, location.href);
      for (const name of ["limit", "only"]) if (form.elements[name]) url.searchParams.set(name, form.elements[name].value);
      part.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(url, { signal: AbortSignal.timeout(20_000) });
        if (!answer.ok || answer.redirected) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("[data-preview]");
        if (fresh && mine === newest) part.replaceChildren(...fresh.childNodes);
      } catch {
        // the link stays
      } finally {
        if (mine === newest) part.removeAttribute("aria-busy");
      }
    };

    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(show, REST);
    });
    show();
  };

  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
