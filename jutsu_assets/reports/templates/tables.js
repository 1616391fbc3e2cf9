"use strict";
// Sorts and filters tables. Without it the page is whole, too.
(() => {
const make = (tag, attributes, text) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
};
const valueOf = cell => {
  const text = cell.textContent.trim(), number = minusless(text);
  if (text === "" || text.startsWith("\u2014")) return null;
  return Number.isNaN(number) ? text : number;
};
const minusless = text => Number(text.replace(/[,\s%+]/g, "").replace("\u2212", "-"));
const compare = (one, other) => typeof one === typeof other && typeof one === "number" ? one - other
  : String(one).localeCompare(String(other), "en");
const startSorting = table => {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    // No element of a form: those are left out where a browser prints the head again on every sheet.
    const button = make("span", {role: "button", tabindex: "0"}, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      button.click();
    });
    button.addEventListener("click", () => {
      const rows = [...body.rows].map(row => [valueOf(row.cells[column]), row]);
      const isNumber = rows.some(([value]) => typeof value === "number");
      const now = head.getAttribute("aria-sort");
      const order = now ? (now === "ascending" ? "descending" : "ascending") : isNumber ? "descending" : "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      // What is undefined stays at the end, whichever way.
      rows.sort(([one], [other]) => one === null || other === null ? (one === null) - (other === null)
        : sign * compare(one, other));
      body.append(...rows.map(row => row[1]));
    });
  });
};
const startFilter = field => {
  const input = field.querySelector("input"), output = field.querySelector("output");
  const bodies = [...document.querySelectorAll("table.filtered")].map(table => [...table.tBodies[0].rows]);
  const filter = () => {
    const words = input.value.toLowerCase().split(/[\s,]+/).filter(word => word);
    let shown = 0;
    bodies.forEach((rows, count) => rows.forEach(row => {
      const name = row.cells[0].textContent.toLowerCase();
      row.hidden = words.length > 0 && !words.some(word => name.includes(word));
      if (!count && !row.hidden) shown++;
    }));
    output.textContent = words.length ? `${shown} of ${bodies[0].length}` : "";
  };
  input.addEventListener("input", filter);
  field.hidden = false;
};

document.querySelectorAll("table.sorted").forEach(startSorting);
document.querySelectorAll(".filter").forEach(startFilter);
})();
