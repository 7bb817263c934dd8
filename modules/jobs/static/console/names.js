// Gives names to what scripts of the stock admin make without one, for those who hear the page.
addEventListener("load", () => {
  const name = () => {
    for (const box of document.querySelectorAll(".select2-selection[role=combobox]:not([aria-label])")) {
      const select = box.closest(".select2")?.parentElement.querySelector("select");
      box.setAttribute("aria-label", select?.labels[0]?.textContent.trim() || select?.getAttribute("aria-label") || select?.name || "");
    }
    for (const icon of document.querySelectorAll(".search-label-icon[aria-label]")) icon.setAttribute("role", "img");
  };
  name();
  document.addEventListener("formset:added", () => setTimeout(name));
});
