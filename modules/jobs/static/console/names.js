// Gives names to what the scripts of the stock admin make without one, for those who hear the page.
addEventListener("load", () => {
  const nameBox = (box) => {
    const select = box.closest(".select2")?.parentElement.querySelector("select");
    const name = select?.labels[0]?.textContent.trim() || select?.getAttribute("aria-label") || select?.name;
    if (!name) return;
    for (const part of [box, ...box.querySelectorAll("[role=textbox]")]) {
      part.removeAttribute("aria-labelledby");
      part.setAttribute("aria-label", name);
    }
  };
  const nameAll = () => {
    document.querySelectorAll(".select2-selection[role=combobox]").forEach(nameBox);
    document.querySelectorAll(".search-label-icon[aria-label]").forEach((icon) => icon.setAttribute("role", "img"));
  };
  setTimeout(nameAll); // after the others that wait for the same event
  document.addEventListener("formset:added", () => setTimeout(nameAll));
});
