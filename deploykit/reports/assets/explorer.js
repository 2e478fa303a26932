"use strict";
// Shows one point of the grid at a time. Every number and text is finished: nothing is computed here but pixels.
(function () {
  const data = JSON.parse(document.getElementById("charts").textContent);
  const { symbols, config, colour, series, axis, layout, roofs, sortable } = window.page;
  const bounds = { compute: 0, memory: 1, overhead: 4 };
  const inputs = data.axes.map((_, index) => document.getElementById("axis-" + index));
  const table = document.getElementById("layers");
  let marked = null;

  const place = () => inputs.map((input) => Number(input.value));
  const find = (wanted) => data.points.find((point) => point.place.every((value, index) => value === wanted[index]));
  const text = (node, at) => "<b>" + data.labels[node.index[at]] + "</b><br>" + node.text[at];

  function fill(parent, tag, words) {
    const element = document.createElement(tag);
    element.textContent = words;
    parent.append(element);
    return element;
  }

  function facts(point) {
    const list = document.getElementById("facts");
    list.replaceChildren();
    point.facts.forEach(([name, value, more]) => {
      const group = document.createElement("div");
      fill(group, "dt", name);
      fill(fill(group, "dd", value), "small", more);
      list.append(group);
    });
    document.getElementById("notices").textContent = point.notices.join(" ");
  }

  function roofline(element, point) {
    const { traces, notes, log } = roofs(point.roofs);
    const nodes = point.nodes;
    Object.keys(bounds).forEach((bound) => {
      const rows = nodes.bound.map((_, at) => at).filter((at) => nodes.bound[at] === bound && nodes.y[at] !== null);
      if (!rows.length) return;
      const points = (y, more) => Object.assign({
        type: "scatter", mode: "markers", x: rows.map((at) => nodes.x[at]), y: rows.map((at) => y[at]),
        text: rows.map((at) => text(nodes, at)), hovertemplate: "%{text}<extra></extra>", customdata: rows.map((at) => nodes.index[at]),
      }, more);
      traces.push(points(nodes.y, {
        name: "bound by " + bound,
        marker: { size: rows.map((at) => nodes.index[at] === marked ? 18 : 9), opacity: 0.85, symbol: symbols[bound],
                  color: series(bounds[bound]), line: { color: colour("page"), width: 1 } },
      }));
      if (rows.some((at) => nodes.measured_y[at] !== null)) {
        traces.push(points(nodes.measured_y, {
          name: "measured, bound by " + bound,
          marker: { size: 9, symbol: symbols[bound] + "-open", color: series(bounds[bound]), line: { width: 1.5 } },
        }));
      }
    });
    return Plotly.react(element, traces, layout(
      axis("operations a byte of off-chip traffic (1 MAC = 2 operations)", log), axis("operations/s", log),
      { annotations: notes }), config);
  }

  function graph(element, point) {
    const { columns, rows, edges } = data.picture;
    const nodes = point.nodes;
    const here = nodes.index.map((_, at) => at).filter((at) => rows[nodes.index[at]] !== null);
    const width = Math.max(...columns.map(Math.abs), 1);
    element.style.height = Math.min(620, 130 + 34 * width) + "px";
    const line = { x: [], y: [] };
    edges.forEach(([from, to]) => {
      line.x.push(rows[from], rows[to], null);
      line.y.push(columns[from], columns[to], null);
    });
    const traces = [{ type: "scatter", mode: "lines", x: line.x, y: line.y, hoverinfo: "skip", showlegend: false,
                      line: { color: colour("line"), width: 1 } }];
    Object.keys(bounds).forEach((bound) => {
      const chosen = here.filter((at) => nodes.bound[at] === bound);
      if (!chosen.length) return;
      traces.push({
        type: "scatter", mode: "markers", name: "bound by " + bound, x: chosen.map((at) => rows[nodes.index[at]]),
        y: chosen.map((at) => columns[nodes.index[at]]), text: chosen.map((at) => text(nodes, at)),
        hovertemplate: "%{text}<extra></extra>", customdata: chosen.map((at) => nodes.index[at]),
        marker: { size: chosen.map((at) => nodes.dot[at]), symbol: symbols[bound], color: series(bounds[bound]),
                  line: { color: chosen.map((at) => nodes.index[at] === marked ? colour("ink") : colour("page")),
                          width: chosen.map((at) => (nodes.index[at] === marked ? 3 : 1)) } },
      });
    });
    const hidden = { showgrid: false, showticklabels: false };
    return Plotly.react(element, traces, layout(axis("", hidden), axis("", hidden),
      { margin: { l: 8, r: 8, t: 8, b: 8 }, legend: { orientation: "h", x: 0, y: 0, yanchor: "top" } }), config);
  }

  function rows(point) {
    const body = table.tBodies[0];
    body.replaceChildren(...point.nodes.index.map((index, at) => {
      const row = document.createElement("tr");
      row.dataset.node = index;
      row.classList.toggle("marked", index === marked);
      const name = fill(row, "td", "");
      name.className = "wide";
      fill(name, "span", data.names[index]).className = "name";
      fill(name, "small", data.ops[index]);
      point.nodes.cells[at].forEach(([words, value]) => {
        const cell = fill(row, "td", words);
        if (value !== undefined) {
          cell.className = "n";
          cell.dataset.v = value;
        }
      });
      return row;
    }));
    table.querySelectorAll("th").forEach((head) => head.removeAttribute("aria-sort"));
  }

  function mark(index) {
    marked = index;
    show();
    const row = table.querySelector("tr.marked");
    if (row) row.scrollIntoView({ block: "nearest" });
  }

  function clickable(element, draw, point) {
    draw(element, point);
    if (element.dataset.clickable) return;
    element.on("plotly_click", (event) => event.points[0].customdata !== undefined && mark(event.points[0].customdata));
    element.dataset.clickable = "yes";
  }

  function show() {
    const wanted = place();
    data.axes.forEach((values, index) => {
      if (index > 1) document.getElementById("value-" + index).textContent = values[wanted[index]];
    });
    const point = find(wanted);
    const absent = document.getElementById("absent");
    absent.hidden = Boolean(point);
    absent.textContent = point ? "" : data.absent;
    document.getElementById("shown").hidden = !point;
    document.documentElement.dataset.point = point ? data.points.indexOf(point) : -1;
    location.replace("#" + wanted.join(".") + (marked === null ? "" : "/" + marked));
    if (!point) return;
    facts(point);
    rows(point);
    clickable(document.getElementById("roofline"), roofline, point);
    clickable(document.getElementById("graph"), graph, point);
  }

  inputs.forEach((input) => input.addEventListener("input", show));
  sortable(table);
  table.tBodies[0].addEventListener("click", (event) => mark(Number(event.target.closest("tr").dataset.node)));
  const [start, node] = location.hash.slice(1).split("/"); // "#1.0.2/17": choices in order, and a marked layer
  const chosen = start ? start.split(".") : data.points[0].place;
  inputs.forEach((input, index) => { input.value = chosen[index]; });
  if (node) marked = Number(node);
  show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  document.documentElement.dataset.ready = "yes";
})();
