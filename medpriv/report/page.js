// Two small conveniences; the page is complete without them.
(() => {
  // Copy the measured cost into the comparison table, which itself stays the same from run to run.
  for (const row of document.querySelectorAll("tr[data-measured]")) {
    for (const cell of row.querySelectorAll("td[data-kind]")) {
      for (const target of document.querySelectorAll(`td[data-cost="${cell.dataset.kind}"]`)) {
        if (target.dataset.model !== row.dataset.measured) continue;
        target.dataset.order = cell.dataset.order;
        const value = document.createElement("b");
        value.textContent = cell.textContent;
        target.replaceChildren(value);
      }
    }
  }

  // Sort a table by a click on a column's head, each group of rows (a dataset) by itself, below its own head; a second
  // click turns the order round; absent figures stay last.
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.order ?? cell.textContent.trim();
  };
  const compare = (a, b) =>
    a !== "" && b !== "" && !Number.isNaN(Number(a)) && !Number.isNaN(Number(b)) ? a - b : a.localeCompare(b);

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [];
    for (const row of table.tHead.rows) {
      for (const head of row.cells) if (head.colSpan === 1 && !head.classList.contains("over")) heads.push(head);
    }
    heads.sort((a, b) => a.offsetLeft - b.offsetLeft);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        for (const group of table.tBodies) {
          const rows = [...group.rows].filter((row) => !row.classList.contains("topic"));
          rows.sort((a, b) => {
            const [x, y] = [key(a, column), key(b, column)];
            if (x === "" || y === "") return (x === "") - (y === "");
            return up ? compare(x, y) : compare(y, x);
          });
          group.append(...rows);
        }
      });
    });
  }
})();
