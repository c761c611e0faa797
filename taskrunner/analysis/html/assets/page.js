"use strict";
/* Common parts of all pages: the data, formatted times, colors, light and dark themes, and tables.

   A table is data, see table.py: {caption, columns: [{name, kind, values, words}], sort, descending, pick}. At most
   STEP of its rows are in the document at a time. */
const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const STEP = 500;  // rows
  const LONG = 18;  // characters
  const tables = {};

  /** Create an element: page.make("td", {className: "figure"}, "text or element", …). Strings become text nodes. */
  function make(tag, fields, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(fields || {})) {
      if (name.includes("-") || name === "role") element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children);
    return element;
  }

  /** Format microseconds with a suitable unit, as in the summary on a terminal. */
  function time(us) {
    if (us >= 1e8) return `${(us / 1e6).toFixed(0)} s`;
    if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
    return us >= 1e3 ? `${(us / 1e3).toFixed(1)} ms` : `${us.toFixed(0)} us`;
  }

  const count = new Intl.NumberFormat("en").format;

  const formats = {
    text: (value) => value,
    word: (value, column) => column.words[value],
    time: (value) => time(value),
    number: (value) => count(value),
    ratio: (value) => value.toFixed(2),
    share: (value) => `${(value * 100).toFixed(1)}%`,
  };

  const isText = (column) => column.kind === "text" || column.kind === "word";

  /** Return the class of a column's cells: figures are right-aligned, long strings wrap, short strings do not. */
  function style(column) {
    if (!isText(column)) return "figure";
    return column.kind === "text" || column.words.some((word) => word.length > LONG) ? "long" : "short";
  }
  const cell = (column, row) => (column.values[row] === null ? "" : formats[column.kind](column.values[row], column));

  /** Return the current color of a custom property, in the form that a canvas accepts. */
  function color(name) {
    const probe = make("span", {hidden: true});
    document.body.append(probe);
    probe.style.color = `var(--${name})`;
    const computed = getComputedStyle(probe).color;
    probe.remove();
    return computed;
  }

  /* Themes: the page follows the system until the button selects a theme. */

  const dark = matchMedia("(prefers-color-scheme: dark)");

  function storedTheme(value) {
    try {  // a browser may deny storage to a local file
      if (value) localStorage.setItem("taskrunner-theme", value);
      return localStorage.getItem("taskrunner-theme");
    } catch {
      return null;
    }
  }

  function theme() {
    return document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
  }

  function setTheme(name) {
    if (name) document.documentElement.dataset.theme = name;
    const button = document.getElementById("theme");
    button.hidden = false;
    button.textContent = theme() === "dark" ? "Light theme" : "Dark theme";
    document.dispatchEvent(new CustomEvent("theme", {detail: theme()}));
  }

  function setUpThemes() {
    document.getElementById("theme").addEventListener("click", () => {
      const other = theme() === "dark" ? "light" : "dark";
      storedTheme(other);
      setTheme(other);
    });
    dark.addEventListener("change", () => setTheme());
    setTheme(storedTheme());
  }

  /* Tables */

  /** Return the rows in ascending order of a column, rows without a value last. Each column is sorted once. */
  function ascending(column) {
    if (column.order) return column.order;
    const all = Uint32Array.from(column.values.keys());
    let rank = column.values;
    if (column.kind === "word") rank = ranks(column.words, column.values);
    if (column.kind === "text") rank = ranks(column.values);
    const last = (row) => (rank[row] === null ? 1 : 0);
    column.order = all.sort((a, b) => last(a) - last(b) || rank[a] - rank[b] || a - b);
    return column.order;
  }

  /** Return the rank of each string, with numbers inside strings in numeric order; with indexes, the rank of each index. */
  function ranks(strings, indexes) {
    const compare = new Intl.Collator("en", {numeric: true}).compare;
    const rankOf = new Uint32Array(strings.length);
    const sorted = Uint32Array.from(strings.keys()).sort((a, b) => compare(strings[a], strings[b]) || a - b);
    sorted.forEach((i, rank) => { rankOf[i] = rank; });
    return indexes ? indexes.map((i) => (i === null ? null : rankOf[i])) : rankOf;
  }

  /** Return the rows in ascending or descending order of a column; rows without a value come last in both. */
  function inOrder(column, descending) {
    const order = ascending(column);
    if (!descending) return order;
    const withValue = order.filter((row) => column.values[row] !== null).reverse();
    const reversed = new Uint32Array(order);
    reversed.set(withValue);
    return reversed;
  }

  class Table {
    constructor(name, spec, container) {
      Object.assign(this, {name, spec, first: 0, picked: -1, words: []});
      this.size = spec.columns.length ? spec.columns[0].values.length : 0;
      this.column = spec.sort === undefined ? -1 : spec.sort;
      this.descending = Boolean(spec.descending);
      this.build(container);
      this.arrange();
    }

    build(container) {
      const {columns, caption} = this.spec;
      this.heads = columns.map((column, i) => this.head(column, i));
      this.styles = columns.map(style);
      this.body = make("tbody");
      this.status = make("span", {className: "muted", role: "status"});
      this.previous = this.pageButton(`Previous ${STEP}`, -STEP);
      this.next = this.pageButton(`Next ${STEP}`, STEP);
      this.search = make("input", {type: "search", "aria-label": `Search: ${caption}`, placeholder: "Search"});
      this.search.addEventListener("input", () => this.find(this.search.value));
      const table = make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...this.heads)), this.body);
      this.rows = make("div", {className: "rows", tabIndex: 0, role: "region", "aria-label": caption}, table);
      container.append(make("div", {className: "bar"}, this.search, this.status, this.previous, this.next), this.rows);
    }

    head(column, i) {
      const button = make("button", {type: "button"}, column.name);
      button.addEventListener("click", () => this.sort(i));
      return make("th", {scope: "col", className: style(column)}, button);
    }

    pageButton(name, step) {
      const button = make("button", {type: "button"}, name);
      button.addEventListener("click", () => this.turn(this.first + step));
      return button;
    }

    /** Sort by a column; repeated, reverse the direction. Figures begin with the largest. */
    sort(i) {
      this.descending = i === this.column ? !this.descending : !isText(this.spec.columns[i]);
      this.column = i;
      this.arrange();
    }

    /** Show the rows that contain every word of the query. */
    find(query) {
      this.words = query.toLowerCase().split(/\s+/).filter(Boolean);
      this.arrange();
    }

    arrange() {
      const {columns} = this.spec;
      const all = this.column < 0 ? Uint32Array.from({length: this.size}, (_, i) => i) : inOrder(columns[this.column], this.descending);
      const lines = this.words.length ? this.searchLines() : [];
      this.order = this.words.length ? all.filter((row) => this.words.every((word) => lines[row].includes(word))) : all;
      this.turn(0);
    }

    searchLines() {
      const columns = this.spec.columns.filter(isText);
      const line = (_, row) => columns.map((column) => cell(column, row)).join("\n").toLowerCase();
      this.lower ||= Array.from({length: this.size}, line);
      return this.lower;
    }

    /** Show the rows from this position in the order. */
    turn(first) {
      this.first = first;
      this.heads.forEach((head, i) => {
        if (i === this.column) head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      const visible = this.order.subarray(first, first + STEP);
      this.body.replaceChildren(...Array.from(visible, (row) => this.line(row)));
      this.rows.scrollTop = 0;
      this.status.textContent = this.statusText(visible.length);
      this.previous.hidden = this.next.hidden = this.order.length <= STEP;
      this.previous.disabled = !first;
      this.next.disabled = first + STEP >= this.order.length;
    }

    statusText(shown) {
      const matches = this.order.length;
      const all = this.words.length ? `${count(matches)} found, of ${count(this.size)}` : count(this.size);
      if (shown === matches) return all;
      return `${this.first ? `${count(this.first + 1)} to ${count(this.first + shown)}` : `first ${count(shown)}`} of ${all}`;
    }

    line(row) {
      const cells = this.spec.columns.map((column, i) => {
        const text = cell(column, row);
        if (i === 0 && this.spec.pick) return make("td", {className: "long"}, this.picker(row, text));
        return make("td", {className: this.styles[i]}, text);
      });
      const line = make("tr", {}, ...cells);
      line.dataset.row = row;
      if (row === this.picked) line.setAttribute("aria-current", "true");
      return line;
    }

    picker(row, text) {
      const button = make("button", {type: "button", className: "pick"}, text);
      button.addEventListener("click", () => this.pick(row));
      return button;
    }

    pick(row) {
      this.mark(row);
      document.dispatchEvent(new CustomEvent("pick", {detail: {table: this.name, row}}));
    }

    /** Mark a row; -1: none. */
    mark(row) {
      this.picked = row;
      for (const line of this.body.children) {
        if (Number(line.dataset.row) === row) line.setAttribute("aria-current", "true");
        else line.removeAttribute("aria-current");
      }
    }

    /** Mark a row and scroll to it; this clears a search that hides the row. */
    show(row) {
      if (!this.order.includes(row)) {
        this.search.value = "";
        this.find("");
      }
      const position = this.order.indexOf(row);
      if (position < this.first || position >= this.first + STEP) this.turn(position - (position % STEP));
      this.mark(row);
      const line = this.body.children[position - this.first];
      this.rows.scrollTop = line.offsetTop - this.rows.clientHeight / 2;
    }
  }

  function setUpTables() {
    for (const container of document.querySelectorAll("[data-table]")) {
      const name = container.dataset.table;
      tables[name] = new Table(name, data.tables[name], container);
    }
  }

  /* Printed pages are light, with all details open. */
  function setUpPrinting() {
    const root = document.documentElement;
    let closed = [], before;
    addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      for (const each of closed) each.open = true;
      before = root.dataset.theme;
      setTheme("light");
    });
    addEventListener("afterprint", () => {
      for (const each of closed) each.open = false;
      if (before) root.dataset.theme = before;
      else delete root.dataset.theme;
      setTheme();
    });
  }

  setUpThemes();
  setUpTables();
  setUpPrinting();
  return {data, tables, make, time, count, color, theme};
})();
