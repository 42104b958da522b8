"use strict";
// Sorts, filters and pages the table of all scenes. Cells are set as text, never as markup.
(function () {
  const PAGE = 50;
  const SCENE = 0, FAMILY = 1, STATUS = 2, SCORE = 3;
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const table = byId("rows");
  const last = data.columns.length - 1;
  const state = { column: SCORE, up: true, page: 0, shown: [] };

  function compare(left, right) {
    const a = data.rows[left][state.column], b = data.rows[right][state.column];
    if (a === b) return left - right;
    if (a === null) return 1; // what has no value stands last, whichever way one sorts
    if (b === null) return -1;
    const order = typeof a === "number" ? a - b : a < b ? -1 : 1;
    return state.up ? order : -order;
  }

  function select() {
    const words = byId("search").value.toLowerCase();
    const family = byId("family").value, status = byId("status").value;
    const most = byId("most").value === "" ? Infinity : Number(byId("most").value);
    const keep = (row) =>
      (!family || row[FAMILY] === family) &&
      (!status || row[STATUS] === status) &&
      (most === Infinity || (row[SCORE] !== null && row[SCORE] <= most)) &&
      (!words || `${row[SCENE]} ${row[last]}`.toLowerCase().includes(words));
    state.shown = [...data.rows.keys()].filter((index) => keep(data.rows[index])).sort(compare);
    state.page = 0;
    show();
  }

  function cell(index, column) {
    const value = data.rows[index][column];
    const element = document.createElement("td");
    if (data.columns[column].kind === "number") {
      const worst = value !== null && value === data.columns[column].worst;
      element.className = worst ? "num worst" : "num";
      const digits = column === SCORE && data.columns[SCORE].top <= 1 ? 3 : 2;
      element.textContent = value === null ? "–" : value.toFixed(digits);
    } else if (column === SCENE) {
      element.className = "name";
      const anchor = data.links[index];
      const target = anchor ? document.createElement("a") : element;
      target.textContent = value;
      if (anchor) {
        target.href = "#" + anchor;
        element.append(target);
      }
    } else {
      element.textContent = value;
      if (data.rows[index][STATUS] === "failed") element.className = "failed";
    }
    return element;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(state.shown.length / PAGE));
    const part = state.shown.slice(state.page * PAGE, (state.page + 1) * PAGE);
    table.tBodies[0].replaceChildren(...part.map((index) => {
      const row = document.createElement("tr");
      row.append(...data.columns.map((_, column) => cell(index, column)));
      return row;
    }));
    byId("count").textContent =
      `${state.shown.length} of ${data.rows.length} scenes; choose a column's name to sort by it.`;
    byId("page").textContent = `Page ${state.page + 1} of ${pages}`;
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page >= pages - 1;
    byId("pages").hidden = pages === 1;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const sorted = column === state.column;
      head.setAttribute("aria-sort", sorted ? (state.up ? "ascending" : "descending") : "none");
    });
  }

  function heads() {
    const row = document.createElement("tr");
    data.columns.forEach((column, index) => {
      const head = document.createElement("th");
      const button = document.createElement("button");
      head.scope = "col";
      if (column.kind === "number") head.className = "num";
      if (column.title) button.title = column.title;
      button.type = "button";
      button.textContent = column.name;
      button.addEventListener("click", () => {
        state.up = state.column === index ? !state.up : true;
        state.column = index;
        select();
      });
      head.append(button);
      row.append(head);
    });
    table.tHead.replaceChildren(row);
  }

  function options(id, column) {
    const values = [...new Set(data.rows.map((row) => row[column]))].filter(Boolean).sort();
    values.forEach((value) => byId(id).append(new Option(value, value)));
    byId(id).parentElement.hidden = values.length < 2;
    byId(id).addEventListener("change", select);
  }

  function turn(step) {
    state.page += step;
    show();
  }

  heads();
  options("family", FAMILY);
  options("status", STATUS);
  byId("search").addEventListener("input", select);
  byId("most").addEventListener("input", select);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  byId("filters").hidden = false;
  // "#find=words" opens the page with a filter set: a link to one scene or kind of failure.
  const found = /^#find=(.*)$/.exec(location.hash);
  if (found) byId("search").value = decodeURIComponent(found[1]);
  select();
})();
