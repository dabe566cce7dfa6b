const box = document.querySelector("nav input[type=search]"), said = document.querySelector("nav output");
if (box) {
  box.hidden = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const named = (text) => words.every((word) => text.toLowerCase().includes(word));
    let hidden = 0;
    for (const row of document.querySelectorAll("table.data tbody tr:has(.arm)")) hidden += row.hidden = !named(row.textContent);
    for (const title of document.querySelectorAll("figure g > title")) {
      title.parentNode.classList.toggle("faint", !named(`${title.textContent} ${title.closest("figure").id}`));
    }
    said.textContent = hidden ? `rows hidden: ${hidden}` : "";
  });
}
for (const choice of document.querySelectorAll(".theme input")) {
  try { choice.checked = choice.id === (localStorage.membenchTheme ?? "system"); } catch { /* not kept, then */ }
  choice.addEventListener("change", () => { try { localStorage.membenchTheme = choice.id; } catch { /* likewise */ } });
}
const open = () => {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = named; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  named?.scrollIntoView();
};
addEventListener("hashchange", open);
if (location.hash) open();
