"use strict";
/* The page of a run: a node selected in the timeline, a table or the graph is selected in all of them. */
const report = (() => {
  const {data, make, tables} = page;
  const spec = data.tables.nodes;
  const columnOf = (name) => spec.columns.find((column) => column.name === name);
  const nodes = columnOf("node").values;
  const groups = columnOf(data.timeline.group);
  const path = columnOf("path");
  const OTHERS = 7;
  const stateShades = data.timeline.states.map((name) => (name === "not ended" ? "waiting" : name));
  const groupShades = data.timeline.shades.map((number) => `group${number}`);
  const shades = [...new Set([...stateShades, ...groupShades])];
  const picked = document.getElementById("picked");
  const lanes = document.getElementById("lanes");
  const critical = path ? path.words.indexOf("critical") : -1;
  const state = {by: groups && groups.words.length > 1 ? data.timeline.group : "state", line: null};

  /** Return the name of the color of a slice. */
  function shade(row, number) {
    if (state.by === "state") return stateShades[number];
    if (state.by === "critical path") return path.values[row] === critical ? "critical" : "waiting";
    return groupShades[groups.values[row]];
  }

  /* The legend contains only the colors in use. */
  function legend() {
    const keys = keyPairs().map(([name, text]) => make("span", {className: "key-text"}, make("span", {className: `key ${name}`}), text));
    key.replaceChildren(...keys, make("span", {className: "key-text"}, make("span", {className: "key queue"}), "queued"));
  }

  function keyPairs() {
    if (state.by === "state") return stateKeys();
    if (state.by === "critical path") return [["critical", "on the critical path"], ["waiting", "others"]];
    const colored = groups.words.map((word, i) => [data.timeline.shades[i], word || "unknown"]).filter(([number]) => number < OTHERS);
    const pairs = colored.sort((a, b) => a[0] - b[0]).map(([number, word]) => [`group${number}`, word]);
    return colored.length < groups.words.length ? [...pairs, [`group${OTHERS}`, "others"]] : pairs;
  }

  function stateKeys() {
    const present = new Set(data.timeline.lanes.flatMap((lane) => [...new Set(lane.states)]));
    return [...present].sort().map((number) => [stateShades[number], data.timeline.states[number]]);
  }

  const key = make("div", {className: "bar legend"});
  const select = make("select", {});
  for (const by of [...(groups ? [data.timeline.group] : []), "state", ...(path ? ["critical path"] : [])]) select.append(make("option", {value: by}, by));
  select.value = state.by;
  const chooser = make("label", {}, "color by ", select);
  select.addEventListener("change", () => {
    state.by = select.value;
    legend();
    state.line.redraw();
  });

  /* Selection */

  function link(text, act) {
    const button = make("button", {type: "button"}, text);
    button.addEventListener("click", act);
    return button;
  }

  function reach(id) {
    document.getElementById(id).scrollIntoView({block: "start"});
  }

  function showSelection(row, text) {
    const column = columnOf("state");
    const words = text || `${nodes[row]}: ${column.words[column.values[row]]}`;
    const close = link("×", () => { picked.hidden = true; });
    close.setAttribute("aria-label", "Close");
    picked.replaceChildren(
      make("span", {className: "id", role: "status"}, words),
      ...(text && lanes ? [link("timeline", () => reach("timeline"))] : []),
      link("table", () => { reach("nodes"); tables.nodes.show(row); }), close);
    picked.hidden = false;
  }

  /** Mark a node in all parts of the page except the origin of the selection. */
  function mark(row, origin) {
    const text = origin.text ?? (state.line ? state.line.show(row) : "");
    if (origin.table !== "nodes") tables.nodes.show(row);
    if (tables.path) tables.path.mark(origin.table === "path" ? origin.row : pathNodes().indexOf(nodes[row]));
    for (const box of document.querySelectorAll(".graph .box")) box.classList.toggle("picked", Number(box.dataset.row) === row);
    showSelection(row, text);
  }

  function pathNodes() {
    return data.tables.path.columns[0].values;
  }

  document.addEventListener("pick", ({detail}) => {
    const row = detail.table === "path" ? nodes.indexOf(pathNodes()[detail.row]) : detail.row;
    mark(row, detail);
  });

  for (const box of document.querySelectorAll(".graph .box[data-row]")) {
    const pick = () => mark(Number(box.dataset.row), {});
    box.addEventListener("click", pick);
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pick();
    });
  }

  for (const drawing of document.querySelectorAll("#graph .scroll")) drawing.scrollTop = (drawing.scrollHeight - drawing.clientHeight) / 2;

  if (lanes) {
    legend();
    state.line = timeline(data.timeline, lanes, {
      shade, shades, chooser, legend: key,
      name: (row) => nodes[row],
      pick: (row, text) => mark(row, {text}),
    });
  }
  return state;
})();
