"use strict";
/* What every page has: its data, times as text, colours, light and dark, tables.

   A table is data, see table.py: {caption, columns: [{name, kind, values, words}], sort, descending, pick}. Only some
   hundreds of its rows are in the document at a time. */
const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const STEP = 500;
  const tables = {};

  /** Make an element: page.make("td", {className: "figure"}, "text or element", …). Texts stay texts. */
  function make(tag, fields, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(fields || {})) {
      if (name.includes("-") || name === "role") element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children);
    return element;
  }

  /** Write microseconds with a unit that suits their size, as the summary on a terminal does. */
  function time(us) {
    if (us >= 1e8) return `${(us / 1e6).toFixed(0)} s`;
    if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
    return us >= 1e3 ? `${(us / 1e3).toFixed(1)} ms` : `${us.toFixed(0)} us`;
  }

  const count = new Intl.NumberFormat("en").format;

  const written = {
    text: (value) => value,
    word: (value, column) => column.words[value],
    time: (value) => time(value),
    number: (value) => count(value),
    ratio: (value) => value.toFixed(2),
    share: (value) => `${(value * 100).toFixed(1)}%`,
  };

  const isText = (column) => column.kind === "text" || column.kind === "word";
  const LONG = 18;

  /** Return the class of a column's cells: figures stand right, long texts are broken, short ones are not. */
  function style(column) {
    if (!isText(column)) return "figure";
    return column.kind === "text" || column.words.some((word) => word.length > LONG) ? "long" : "short";
  }
  const cell = (column, row) => (column.values[row] === null ? "" : written[column.kind](column.values[row], column));

  /** Return the colour that a custom property of the page has now, in the form that a canvas takes. */
  function colour(name) {
    const probe = make("span", {hidden: true});
    document.body.append(probe);
    probe.style.color = `var(--${name})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  /* Themes: the system's, until the button says otherwise. */

  const dark = matchMedia("(prefers-color-scheme: dark)");

  function remembered(value) {
    try {  // a browser may refuse storage to a local file
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
      remembered(other);
      setTheme(other);
    });
    dark.addEventListener("change", () => setTheme());
    setTheme(remembered());
  }

  /* Tables */

  /** Return the rows in the order of a column, smallest first, those without a value last. Each column is sorted once. */
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

  /** Return the place of each text among all, numbers in texts by their size; or of the texts that indexes stand for. */
  function ranks(texts, indexes) {
    const compare = new Intl.Collator("en", {numeric: true}).compare;
    const places = new Uint32Array(texts.length);
    Uint32Array.from(texts.keys()).sort((a, b) => compare(texts[a], texts[b]) || a - b).forEach((i, place) => { places[i] = place; });
    return indexes ? indexes.map((i) => (i === null ? null : places[i])) : places;
  }

  /** Sort by a column, smallest first or last; what has no value comes last. */
  function inOrder(column, descending) {
    const order = ascending(column);
    if (!descending) return order;
    const given = order.filter((row) => column.values[row] !== null).reverse();
    const turned = new Uint32Array(order);
    turned.set(given);
    return turned;
  }

  class Table {
    constructor(name, spec, place) {
      Object.assign(this, {name, spec, first: 0, picked: -1, words: []});
      this.size = spec.columns.length ? spec.columns[0].values.length : 0;
      this.column = spec.sort === undefined ? -1 : spec.sort;
      this.descending = Boolean(spec.descending);
      this.build(place);
      this.arrange();
    }

    build(place) {
      const {columns, caption} = this.spec;
      this.heads = columns.map((column, i) => this.head(column, i));
      this.styles = columns.map(style);
      this.body = make("tbody");
      this.status = make("span", {className: "muted", role: "status"});
      this.back = this.turner(`Previous ${STEP}`, -STEP);
      this.on = this.turner(`Next ${STEP}`, STEP);
      this.search = make("input", {type: "search", "aria-label": `Search: ${caption}`, placeholder: "Search"});
      this.search.addEventListener("input", () => this.find(this.search.value));
      const table = make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...this.heads)), this.body);
      this.rows = make("div", {className: "rows", tabIndex: 0, role: "region", "aria-label": caption}, table);
      place.append(make("div", {className: "bar"}, this.search, this.status, this.back, this.on), this.rows);
    }

    head(column, i) {
      const button = make("button", {type: "button"}, column.name);
      button.addEventListener("click", () => this.sort(i));
      return make("th", {scope: "col", className: style(column)}, button);
    }

    turner(name, step) {
      const button = make("button", {type: "button"}, name);
      button.addEventListener("click", () => this.turn(this.first + step));
      return button;
    }

    /** Sort by a column; by the same column again: the other way round. Figures begin with the largest. */
    sort(i) {
      this.descending = i === this.column ? !this.descending : !isText(this.spec.columns[i]);
      this.column = i;
      this.arrange();
    }

    /** Show the rows in whose texts every one of these words stands. */
    find(text) {
      this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
      this.arrange();
    }

    arrange() {
      const {columns} = this.spec;
      const all = this.column < 0 ? Uint32Array.from({length: this.size}, (_, i) => i) : inOrder(columns[this.column], this.descending);
      const texts = this.words.length ? this.texts() : [];
      this.order = this.words.length ? all.filter((row) => this.words.every((word) => texts[row].includes(word))) : all;
      this.turn(0);
    }

    texts() {
      const columns = this.spec.columns.filter(isText);
      const line = (_, row) => columns.map((column) => cell(column, row)).join("\n").toLowerCase();
      this.lower ||= Array.from({length: this.size}, line);
      return this.lower;
    }

    /** Show the rows from this place on. */
    turn(first) {
      this.first = first;
      this.heads.forEach((head, i) => {
        if (i === this.column) head.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      const visible = this.order.subarray(first, first + STEP);
      this.body.replaceChildren(...Array.from(visible, (row) => this.line(row)));
      this.rows.scrollTop = 0;
      this.status.textContent = this.told(visible.length);
      this.back.hidden = this.on.hidden = this.order.length <= STEP;
      this.back.disabled = !first;
      this.on.disabled = first + STEP >= this.order.length;
    }

    told(shown) {
      const found = this.order.length;
      const all = this.words.length ? `${count(found)} found, of ${count(this.size)}` : count(this.size);
      if (shown === found) return all;
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
      button.addEventListener("click", () => this.tell(row));
      return button;
    }

    tell(row) {
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

    /** Mark a row and bring it into sight, whatever is searched for. */
    show(row) {
      if (!this.order.includes(row)) {
        this.search.value = "";
        this.find("");
      }
      const place = this.order.indexOf(row);
      if (place < this.first || place >= this.first + STEP) this.turn(place - (place % STEP));
      this.mark(row);
      const line = this.body.children[place - this.first];
      this.rows.scrollTop = line.offsetTop - this.rows.clientHeight / 2;
    }
  }

  function setUpTables() {
    for (const place of document.querySelectorAll("[data-table]")) {
      const name = place.dataset.table;
      tables[name] = new Table(name, data.tables[name], place);
    }
  }

  /* Paper is light, and shows what a screen would open. */
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
  return {data, tables, make, time, count, colour, theme};
})();
