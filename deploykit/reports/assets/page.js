"use strict";
// What the pages share: colours, axes, the roofs of a roofline, tables that sort.
window.page = (function () {
  const symbols = { compute: "circle", memory: "square", overhead: "triangle-up" };
  const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "resetScale2d"]] };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const series = (index) => colour("c" + (index < 0 ? 9 : index % 9));
  const pick = (values, keep) => values.filter((_, index) => keep(index));

  function axis(title, more) {
    return Object.assign({
      title: { text: title, font: { size: 12 } }, gridcolor: colour("line"), linecolor: colour("line"),
      zeroline: false, automargin: true, tickfont: { size: 11 },
    }, more);
  }

  function layout(x, y, more) {
    return Object.assign({
      xaxis: x, yaxis: y, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") },
      margin: { l: 60, r: 16, t: 12, b: 44 }, hovermode: "closest", bargap: 0.25,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("line"), activecolor: colour("ink") },
      hoverlabel: { bgcolor: colour("wash"), bordercolor: colour("line"), align: "left",
                    font: { color: colour("ink"), size: 12, family: getComputedStyle(document.body).fontFamily } },
      legend: { orientation: "h", x: 0, y: -0.14, yanchor: "top", font: { size: 12 } },
    }, more);
  }

  function roofs(found) {
    const traces = found.map((roof) => ({
      type: "scatter", mode: "lines+markers", x: roof.x, y: roof.y, name: roof.name, showlegend: false,
      line: { color: colour("soft"), width: 1.25 }, text: roof.text, hovertemplate: "%{text}<extra></extra>",
      marker: { size: [0, 8, 0], color: colour("page"), line: { color: colour("soft"), width: 1.5 } },
    }));
    const notes = found.map((roof) => ({
      x: Math.log10(roof.x[2]), y: Math.log10(roof.y[2]), text: roof.note, showarrow: false,
      xanchor: "right", yanchor: "bottom", yshift: 4, font: { size: 11, color: colour("soft") },
    }));
    return { traces: traces, notes: notes, log: { type: "log", exponentformat: "SI", dtick: 1 } };
  }

  function sortable(table) {
    table.querySelectorAll("thead button").forEach((button) => button.addEventListener("click", () => {
      const cell = button.parentElement;
      const column = [...cell.parentElement.children].indexOf(cell);
      const up = cell.getAttribute("aria-sort") === "descending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.children[column].dataset.v ?? row.children[column].textContent;
      const body = table.tBodies[0];
      const numeric = cell.classList.contains("n");
      const order = (a, b) => numeric ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b));
      [...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)).forEach((row) => body.append(row));
    }));
  }

  return { symbols, config, colour, series, pick, axis, layout, roofs, sortable };
})();
