"use strict";
/* The lanes of a run on a canvas. Only the slices in view are drawn. Slices narrower than a pixel are drawn together:
   the more of the pixel they fill, the stronger its color. A failure determines the color of its pixel.

   timeline({wall, parts, lanes: [{name, kind, rows, gaps, lengths, queued, states}], steals, states}, container, tools)
   where tools has shade(row, state), the name of a color; name(row); and pick(row). Times are microseconds. */
function timeline(data, container, tools) {
  const AXIS = 22, NAMES = 108, TOP = 4;
  const MIN_VIEW = 5;  // microseconds
  const {make, time, count} = page;
  const wall = Math.max(data.wall, 1);
  const lanes = data.lanes.map(unpacked);
  const heights = lanes.map(heightOf);
  const tops = heights.map(((sum) => (height) => (sum += height) - height)(AXIS + TOP));
  const total = AXIS + TOP + heights.reduce((a, b) => a + b, 0) + 4;
  const steals = data.steals[0].map((lane, i) => ({lane, index: data.steals[1][i], source: data.steals[2][i], at: data.steals[3][i]}));
  const stolen = new Map(steals.map((steal) => [steal.lane * 1e9 + steal.index, steal]));
  let view = {from: 0, to: wall};
  let chosen = null;
  let colors = {};
  let width = 600;

  /** Return the height of a lane; the lanes of workers share one height budget, all other lanes another. */
  function heightOf({kind}) {
    const workers = data.lanes.filter((lane) => lane.kind === "worker").length;
    const [count, least] = kind === "worker" ? [workers, 8] : [lanes.length - workers, 5];
    return Math.max(least, Math.min(30, Math.floor(600 / count)));
  }

  function unpacked(lane) {
    const size = lane.rows.length;
    const starts = new Float64Array(size), ends = new Float64Array(size);
    let at = 0;
    for (let i = 0; i < size; i++) {
      starts[i] = at + lane.gaps[i];
      at = ends[i] = starts[i] + lane.lengths[i];
    }
    return {...lane, starts, ends};
  }

  /* The elements around the canvas */

  const canvas = make("canvas", {tabIndex: 0, role: "img", "aria-describedby": "timeline-keys"});
  const tip = make("div", {className: "tip", hidden: true});
  const range = make("span", {className: "muted", id: "range", role: "status"});
  const toggle = make("input", {type: "checkbox", checked: true});
  const keys = make("p", {className: "muted screen-only", id: "timeline-keys"},
    "Keys: + and − zoom, ← and → move, Home shows the whole run, N and P select the next and the previous node of a lane, " +
    "↑ and ↓ change the lane. Drag to move; double-click or Ctrl+wheel to zoom. The table of nodes contains the same data.");

  function button(name, title, act) {
    const element = make("button", {type: "button", title, "aria-label": title}, name);
    element.addEventListener("click", act);
    return element;
  }

  container.append(
    make("div", {className: "bar screen-only"},
      button("+", "Zoom in", () => zoom(0.5)), button("−", "Zoom out", () => zoom(2)),
      button("←", "Earlier", () => move(-0.25)), button("→", "Later", () => move(0.25)),
      button("Whole run", "Show the whole run", () => setView(0, wall)),
      tools.chooser, make("label", {}, toggle, " steals"), range),
    tools.legend,
    make("div", {className: "lanes"}, canvas, tip),
    keys);
  toggle.addEventListener("change", draw);

  /* The view */

  const x = (timestamp) => NAMES + (timestamp - view.from) / (view.to - view.from) * (width - NAMES);
  const timeAt = (px) => view.from + (px - NAMES) / (width - NAMES) * (view.to - view.from);
  const y = (lane) => tops[lane];
  const middle = (lane) => tops[lane] + heights[lane] / 2;

  function setView(from, to) {
    const span = Math.min(Math.max(to - from, MIN_VIEW), wall);
    const start = Math.min(Math.max(from, 0), wall - span);
    view = {from: start, to: start + span};
    draw();
  }

  /** Multiply the length of the view, around a timestamp. By default, use a selected slice in view, or the middle. */
  function zoom(factor, around) {
    const {from, to} = view;
    const selected = chosen ? lanes[chosen.lane].starts[chosen.index] : NaN;
    const center = around ?? (selected >= from && selected <= to ? selected : (from + to) / 2);
    const start = center - (center - from) * factor;
    setView(start, start + (to - from) * factor);
  }

  function move(share) {
    const by = (view.to - view.from) * share;
    setView(view.from + by, view.to + by);
  }

  /** Return the first slice of a lane that ends after a timestamp. */
  function after(lane, at) {
    let low = 0, high = lane.ends.length;
    while (low < high) {
      const half = (low + high) >> 1;
      if (lane.ends[half] > at) high = half;
      else low = half + 1;
    }
    return low;
  }

  /* Drawing */

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    width = Math.max(320, Math.floor(container.clientWidth));
    canvas.width = width * ratio;
    canvas.height = total * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${total}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colors.paper;
    pen.fillRect(0, 0, width, total);
    drawAxis(pen);
    let drawn = 0;
    pen.save();
    pen.beginPath();
    pen.rect(NAMES, 0, width - NAMES, total);
    pen.clip();
    lanes.forEach((lane, i) => { drawn += drawLane(pen, lane, i); });
    const arrows = drawSteals(pen);
    drawChosen(pen);
    pen.restore();
    drawNames(pen);
    const text = view.to - view.from >= wall ? `the whole run: ${time(wall)}` : `${time(view.from)} to ${time(view.to)} of ${time(wall)}`;
    const hidden = arrows > maxArrows() ? `; ${count(arrows)} steals: zoom in to see them` : "";
    range.textContent = `${text}, ${count(drawn)} in view${hidden}`;
    canvas.setAttribute("aria-label", `Timeline of ${lanes.length} lanes, ${range.textContent}`);
  }

  function drawAxis(pen) {
    const step = nice((view.to - view.from) / Math.max(2, (width - NAMES) / 110));
    pen.textBaseline = "middle";
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      pen.fillStyle = colors.line;
      pen.fillRect(Math.round(x(at)), AXIS - 4, 1, total);
      pen.fillStyle = colors.muted;
      const text = tick(at, step);
      const half = pen.measureText(text).width / 2;
      pen.fillText(text, Math.min(Math.max(x(at) - half, NAMES), width - 2 * half), AXIS / 2);
    }
    pen.fillStyle = colors.ink;
    for (const part of data.parts) pen.fillRect(Math.round(x(part)), AXIS - 4, 2, total);
  }

  /** Return a step of 1, 2 or 5 times a power of ten. */
  function nice(least) {
    const power = 10 ** Math.floor(Math.log10(least));
    return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least);
  }

  /** Format a time of the axis with the digits of its step. */
  function tick(at, step) {
    const [size, unit] = view.to >= 1e6 ? [1e6, "s"] : view.to >= 1e3 ? [1e3, "ms"] : [1, "us"];
    return `${(at / size).toFixed(Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9)))} ${unit}`;
  }

  /** Draw the names of the lanes; if the lanes are low, only names that do not overlap. */
  function drawNames(pen) {
    let free = 0;
    pen.textBaseline = "middle";
    lanes.forEach((lane, i) => {
      pen.fillStyle = colors.line;
      if (heights[i] > 8) pen.fillRect(0, y(i) + heights[i] - 1, width, 1);
      pen.fillStyle = chosen && chosen.lane === i ? colors.ink : colors.muted;
      if (middle(i) - 6 < free) return;
      pen.fillText(lane.name, 0, middle(i), NAMES - 8);
      free = middle(i) + 6;
    });
  }

  /** Draw the slices in view and return their number. Slices of at least one pixel get a box. */
  function drawLane(pen, lane, number) {
    const fill = new Float32Array(width), longest = new Float32Array(width), bins = new Array(width);
    const height = heights[number], top = y(number) + 1, tall = Math.max(2, height - 3);
    const {starts, ends, rows, states, queued} = lane;
    const scale = (width - NAMES) / (view.to - view.from);
    const first = after(lane, view.from);
    let i = first;
    for (; i < starts.length && starts[i] < view.to; i++) {
      const left = x(starts[i]), long = (ends[i] - starts[i]) * scale;
      const shade = tools.shade(rows[i], states[i]);
      if (long >= 1) {
        if (queued[i] * scale >= 3 && height > 8) drawQueue(pen, left, queued[i] * scale, top + tall, colors.waiting, 2);
        drawBox(pen, lane, i, left, long, top, tall, shade);
        continue;
      }
      const px = Math.min(width - 1, Math.max(NAMES, Math.floor(left)));
      fill[px] += Math.max(long, 0.05);
      const weight = states[i] === 0 ? Infinity : long + 1e-6;
      if (weight > longest[px]) {
        longest[px] = weight;
        bins[px] = shade;
      }
    }
    for (let px = NAMES; px < width; px++) {
      if (!bins[px]) continue;
      pen.globalAlpha = Math.min(1, 0.35 + 0.65 * fill[px]);
      pen.fillStyle = colors[bins[px]];
      pen.fillRect(px, top, 1, tall);
    }
    pen.globalAlpha = 1;
    return i - first;
  }

  function drawBox(pen, lane, i, left, long, top, tall, shade) {
    const from = Math.max(left, NAMES - 2), right = Math.min(left + long, width + 2);
    const wide = Math.max(1, right - from - (long > 3 ? 1 : 0));
    pen.fillStyle = colors[shade];
    pen.fillRect(from, top, wide, tall);
    if (lane.states[i] === 0 && shade !== "failed") {
      pen.fillStyle = colors.failed;
      pen.fillRect(from, top, wide, 3);
    }
    if (wide > 34 && tall > 11) {
      const name = tools.name(lane.rows[i]);
      pen.fillStyle = colors.paper;
      pen.textBaseline = "middle";
      pen.fillText(cut(name, Math.floor((wide - 8) / 6.6)), from + 4, top + tall / 2 + 0.5, wide - 6);
    }
  }

  /** Shorten a name in its front half, since similar names differ at their ends. */
  function cut(name, letters) {
    if (name.length <= letters) return name;
    const head = Math.floor(letters / 3);
    return `${name.slice(0, head)}…${name.slice(head + 1 - letters)}`;
  }

  /** Draw the time from ready to start, below the lane. */
  function drawQueue(pen, left, long, bottom, color, thick) {
    pen.fillStyle = color;
    const from = Math.max(left - long, NAMES);
    pen.fillRect(from, bottom - (thick - 2) / 2, Math.max(0, left - from), thick);
  }

  /** Draw the steals in view, unless there are too many of them, and return their number. */
  function drawSteals(pen) {
    if (!toggle.checked) return 0;
    const visible = steals.filter(({lane, index: i}) => lanes[lane].starts[i] >= view.from && lanes[lane].starts[i] <= view.to);
    if (visible.length > maxArrows()) return visible.length;
    for (const steal of visible) drawSteal(pen, steal, false);
    return visible.length;
  }

  /** Return the number of arrows that remain distinguishable. */
  function maxArrows() {
    return width / 14;
  }

  /** Draw an arrow from the lane of the victim; a long arrow starts at the time at which the slice was ready. */
  function drawSteal(pen, steal, isLong) {
    const to = x(lanes[steal.lane].starts[steal.index]), level = middle(steal.lane);
    pen.strokeStyle = pen.fillStyle = colors.ink;
    pen.lineWidth = isLong ? 2.5 : 1;
    if (steal.source >= 0) {
      const from = isLong ? x(steal.at) : to - 10, above = middle(steal.source);
      pen.beginPath();
      pen.moveTo(from, above);
      pen.bezierCurveTo(Math.max(from, to - 12), above, to - 14, level, to - 4, level);
      pen.stroke();
    }
    pen.beginPath();
    pen.moveTo(to, level);
    pen.lineTo(to - 6, level - 4);
    pen.lineTo(to - 6, level + 4);
    pen.fill();
  }

  function drawChosen(pen) {
    if (!chosen) return;
    const lane = lanes[chosen.lane], i = chosen.index;
    const left = x(lane.starts[i]), long = Math.max(3, x(lane.ends[i]) - left);
    const scale = (width - NAMES) / (view.to - view.from);
    drawQueue(pen, left, lane.queued[i] * scale, y(chosen.lane) + heights[chosen.lane] - 3, colors.critical, 3);
    pen.strokeStyle = colors.critical;
    pen.lineWidth = 2.5;
    pen.strokeRect(left - 1, y(chosen.lane), long + 1, heights[chosen.lane] - 2);
    const steal = stolen.get(chosen.lane * 1e9 + i);
    if (steal) drawSteal(pen, steal, true);
  }

  /* The slice under the mouse, and the selected slice */

  /** Return the slice at a position of the canvas, or one within three pixels of it. */
  function at(px, py) {
    const lane = tops.findLastIndex((top) => top <= py);
    if (px < NAMES || lane < 0 || py >= tops[lane] + heights[lane]) return null;
    const i = after(lanes[lane], timeAt(px - 3));
    return i < lanes[lane].starts.length && lanes[lane].starts[i] <= timeAt(px + 3) ? {lane, index: i} : null;
  }

  function describe({lane: number, index: i}) {
    const lane = lanes[number];
    const steal = stolen.get(number * 1e9 + i);
    const parts = [data.states[lane.states[i]], lane.name + (steal ? steal.source >= 0 ? `, stolen from ${lanes[steal.source].name}` : ", stolen" : "")];
    parts.push(`started at ${time(lane.starts[i])}`, `queued ${time(lane.queued[i])}`, `ran ${time(lane.ends[i] - lane.starts[i])}`);
    return `${tools.name(lane.rows[i])}: ${parts.join(", ")}`;
  }

  function choose(slice) {
    chosen = slice;
    if (slice) tools.pick(lanes[slice.lane].rows[slice.index], describe(slice));
    draw();
  }

  /** Select another slice: by an offset on its lane, or the next slice on a lane below or above. */
  function step(offset, down) {
    if (!chosen) return choose(firstVisible());
    let {lane, index: i} = chosen;
    const start = lanes[lane].starts[i];
    if (down) {
      do lane += down; while (lanes[lane] && !lanes[lane].starts.length);
      if (!lanes[lane]) return null;
      i = Math.min(after(lanes[lane], start), lanes[lane].starts.length - 1);
    } else {
      i = Math.min(Math.max(i + offset, 0), lanes[lane].starts.length - 1);
    }
    choose({lane, index: i});
    return showChosen();
  }

  function firstVisible() {
    for (let lane = 0; lane < lanes.length; lane++) {
      const i = after(lanes[lane], view.from);
      if (i < lanes[lane].starts.length) return {lane, index: i};
    }
    return null;
  }

  /** Move the view to the selected slice if it is out of view. */
  function showChosen() {
    const start = lanes[chosen.lane].starts[chosen.index];
    if (start >= view.from && start <= view.to) return;
    const half = (view.to - view.from) / 2;
    setView(start - half, start + half);
  }

  /** Select the last slice of a table row, move the view to it, and return its description; "" without a slice. */
  function show(row) {
    let last = null;
    lanes.forEach((lane, number) => {
      const i = lane.rows.lastIndexOf(row);
      if (i >= 0 && (!last || lane.starts[i] > lanes[last.lane].starts[last.index])) last = {lane: number, index: i};
    });
    chosen = last;
    if (last) showChosen();
    draw();
    return last ? describe(last) : "";
  }

  function hint(event) {
    const box = canvas.getBoundingClientRect();
    const slice = at(event.clientX - box.left, event.clientY - box.top);
    tip.hidden = !slice;
    canvas.classList.toggle("over", Boolean(slice));
    if (!slice) return;
    tip.textContent = describe(slice);
    const left = Math.min(event.clientX + 12, document.documentElement.clientWidth - tip.offsetWidth - 4);
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${box.top + y(slice.lane) + heights[slice.lane] + 6}px`;
  }

  const actions = {
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "−": () => zoom(2),
    ArrowLeft: () => move(-0.1), ArrowRight: () => move(0.1), Home: () => setView(0, wall),
    n: () => step(1, 0), p: () => step(-1, 0), N: () => step(1, 0), P: () => step(-1, 0),
    ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
  };

  canvas.addEventListener("keydown", (event) => {
    const act = actions[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  let grip = null;
  canvas.addEventListener("pointerdown", (event) => {
    grip = {px: event.clientX, from: view.from, moved: false};
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!grip) return hint(event);
    const by = event.clientX - grip.px;
    grip.moved ||= Math.abs(by) > 3;
    if (!grip.moved) return;
    const span = view.to - view.from;
    const from = grip.from - by / (width - NAMES) * span;
    setView(from, from + span);
  });
  canvas.addEventListener("pointerup", (event) => {
    const box = canvas.getBoundingClientRect();
    if (grip && !grip.moved) choose(at(event.clientX - box.left, event.clientY - box.top) || chosen);
    grip = null;
  });
  canvas.addEventListener("pointercancel", () => { grip = null; });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("dblclick", (event) => zoom(0.4, timeAt(event.clientX - canvas.getBoundingClientRect().left)));
  canvas.addEventListener("wheel", (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!event.ctrlKey && !event.metaKey && !sideways) return;  // the page scrolls
    event.preventDefault();
    if (sideways) move(event.deltaX / width);
    else zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event.clientX - canvas.getBoundingClientRect().left));
  }, {passive: false});

  function recolor() {
    const names = ["paper", "line", "ink", "muted", "waiting", "critical", ...tools.shades];
    colors = Object.fromEntries(names.map((name) => [name, page.color(name)]));
    draw();
  }

  document.addEventListener("theme", recolor);
  new ResizeObserver(() => { if (Math.floor(container.clientWidth) !== width) draw(); }).observe(container);
  recolor();
  return {setView, zoom, show, redraw: draw, view: () => view, box: (lane, i) => ({left: x(lanes[lane].starts[i]), top: middle(lane)})};
}
