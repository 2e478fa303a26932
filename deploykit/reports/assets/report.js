"use strict";
// Draws what the page's JSON holds. Every number and text in it is finished: nothing is computed here but pixels.
(function () {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const { symbols, config, colour, series, pick, axis, layout, roofs, sortable } = window.page;
  const ramp = [[253, 243, 219], [247, 189, 115], [222, 107, 73], [150, 45, 90], [52, 16, 74]];

  // A point outside of the plot, so that a segment's legend entry does not take its first node's symbol.
  function legendEntry(name, segment) {
    return { type: "scatter", mode: "markers", x: [null], y: [null], name: name, legendgroup: name, hoverinfo: "skip",
             marker: { size: 9, color: series(segment), symbol: "circle" } };
  }

  function roofline(element, data, segments) {
    const { traces, notes, log } = roofs(data.roofs);
    segments.forEach((name, segment) => {
      const keep = (index) => data.segment[index] === segment;
      if (!data.segment.some((_, index) => keep(index))) return;
      traces.push(legendEntry(name, segment), {
        type: "scatter", mode: "markers", x: pick(data.x, keep), y: pick(data.y, keep), legendgroup: name, showlegend: false,
        text: pick(data.text, keep), hovertemplate: "%{text}<extra></extra>",
        marker: { size: 9, opacity: 0.85, color: series(segment), line: { color: colour("page"), width: 1 },
                  symbol: pick(data.bound, keep).map((bound) => symbols[bound]) },
      });
    });
    Object.keys(symbols).filter((bound) => data.bound.includes(bound)).forEach((bound) => traces.push({
      type: "scatter", mode: "markers", x: [null], y: [null], name: "bound by " + bound, hoverinfo: "skip",
      marker: { size: 9, color: colour("soft"), symbol: symbols[bound] },
    }));
    return Plotly.react(element, traces, layout(
      axis("operations a byte of off-chip traffic (1 MAC = 2 operations)", log), axis("operations/s", log),
      { annotations: notes }), config);
  }

  function hot(element, data, segments) {
    element.style.height = 70 + 23 * data.label.length + "px";
    const rows = data.label.map((_, index) => index);
    const traces = segments.map((name, segment) => {
      const keep = (index) => data.segment[index] === segment;
      return {
        type: "bar", orientation: "h", width: 0.76, name: name, x: pick(data.time_s, keep), y: pick(rows, keep),
        text: pick(data.note, keep), textposition: "outside", cliponaxis: false, constraintext: "none",
        textfont: { size: 11, color: colour("soft") }, marker: { color: series(segment) },
        customdata: pick(data.text, keep), hovertemplate: "%{customdata}<extra></extra>",
      };
    }).filter((trace) => trace.x.length);
    return Plotly.react(element, traces, layout(
      axis("predicted time", { side: "top", range: [0, data.reach_s], tickformat: "~s", ticksuffix: "s" }),
      axis("", { autorange: "reversed", tickmode: "array", tickvals: rows, ticktext: data.label, showgrid: false,
                 tickfont: { size: 11, family: "ui-monospace, Menlo, Consolas, monospace" } }),
      { barmode: "overlay", margin: { l: 60, r: 16, t: 44, b: 20 }, legend: { orientation: "h", x: 0, y: 0, yanchor: "top" } },
    ), config);
  }

  function arena(element, data) {
    const boxes = {
      type: "bar", x: data.first, width: data.steps, offset: 0,
      base: data.offset, y: data.size, text: data.text, textposition: "none", hovertemplate: "%{text}<extra></extra>",
      marker: { color: series(0), opacity: 0.75, line: { color: colour("page"), width: 1 } },
    };
    const line = (at, dash) => ({ type: "line", x0: 0, x1: data.last, y0: at, y1: at,
                                  line: { color: colour(dash === "dot" ? "good" : "ink"), width: 1.25, dash: dash } });
    return Plotly.react(element, [boxes], layout(
      axis("step", { range: [0, data.last] }), axis("bytes", { tickformat: "~s", range: [0, 1.06 * data.total] }),
      { shapes: [line(data.total, "solid"), line(data.bound, "dot")], barmode: "overlay",
        margin: { l: 50, r: 8, t: 8, b: 40 } }), config);
  }

  function banks(element, data) {
    const kinds = ["activation", "state", "weight", "prefetch"].filter((kind) => data.kind.includes(kind));
    const traces = kinds.map((kind, index) => {
      const keep = (at) => data.kind[at] === kind;
      return {
        type: "bar", name: kind, x: pick(data.first, keep), width: pick(data.steps, keep), offset: 0,
        base: pick(data.offset, keep), y: pick(data.size, keep), text: pick(data.text, keep), textposition: "none",
        hovertemplate: "%{text}<extra></extra>",
        marker: { color: series(index), opacity: 0.75, line: { color: colour("page"), width: 1 } },
      };
    });
    const lanes = [...Array(data.banks + 1).keys()];
    return Plotly.react(element, traces, layout(
      axis("step", { range: [0, data.last] }),
      axis(data.banks > 1 ? "bank" : "bytes", data.banks > 1
        ? { range: [0, data.banks * data.bank_bytes], tickmode: "array", showgrid: false,
            tickvals: lanes.slice(0, -1).map((lane) => (lane + 0.5) * data.bank_bytes), ticktext: lanes.slice(0, -1) }
        : { range: [0, data.bank_bytes], tickformat: "~s" }),
      { barmode: "overlay", margin: { l: 50, r: 8, t: 8, b: 40 }, showlegend: true,
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        shapes: lanes.map((lane) => ({ type: "line", x0: 0, x1: data.last, y0: lane * data.bank_bytes,
          y1: lane * data.bank_bytes, line: { color: colour("ink"), width: 1 } })) }), config);
  }

  function depth(element, data, segments) {
    const traces = [{
      type: "scatter", mode: "lines", x: data.x, y: data.line, connectgaps: true, hoverinfo: "skip", showlegend: false,
      line: { color: colour("line"), width: 1.5 },
    }];
    [...segments.keys(), -1].forEach((segment) => {
      const keep = (index) => data.segment[index] === segment;
      if (!data.segment.some((_, index) => keep(index))) return;
      const name = segment < 0 ? "other" : segments[segment];
      traces.push(legendEntry(name, segment), {
        type: "scatter", mode: "markers", legendgroup: name, showlegend: false,
        x: pick(data.x, keep), y: pick(data.y, keep), text: pick(data.text, keep), hovertemplate: "%{text}<extra></extra>",
        marker: { size: 8, color: series(segment), symbol: data.x.map((_, index) =>
          data.equal[index] ? "diamond-open" : data.passed[index] ? "circle" : "x").filter((_, index) => keep(index)) },
      });
    });
    const notes = [];
    if (data.first) {
      traces.push({ type: "scatter", mode: "markers", x: [data.first.x], y: [data.first.y], hoverinfo: "skip",
                    showlegend: false, marker: { size: 17, symbol: "circle-open", color: colour("bad"), line: { width: 2 } } });
      notes.push({ x: data.first.x, y: data.first.y, text: "first divergence", showarrow: true, arrowhead: 0, ax: 0, ay: -42,
                   font: { color: colour("bad"), size: 12 }, arrowcolor: colour("bad") });
    }
    if (data.equal.some(Boolean)) {
      notes.push({ x: 1, xref: "paper", xanchor: "right", y: data.equal_level, yanchor: "bottom", text: "equal", showarrow: false,
                   font: { size: 11, color: colour("soft") } });
    }
    const shapes = data.equal.some(Boolean) ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: data.equal_level,
      y1: data.equal_level, line: { color: colour("soft"), width: 1, dash: "dot" } }] : [];
    return Plotly.react(element, traces, layout(axis("tensor in execution order"), axis("SQNR in dB", { rangemode: "tozero" }),
      { annotations: notes, shapes: shapes, legend: { orientation: "h", x: 0, y: -0.2, yanchor: "top" } }), config);
  }

  function frames(element, curves) {
    const traces = curves.map((curve, index) => ({
      type: "scatter", mode: "lines+markers", y: curve.y, name: curve.label, line: { color: series(index), width: 1.5 },
      marker: { size: 5 }, hovertemplate: "frame %{x}: %{y:.1f} dB<extra>" + curve.label + "</extra>",
    }));
    return Plotly.react(element, traces, layout(axis("frame"), axis("SQNR in dB"),
      { legend: { orientation: "h", x: 0, y: -0.24, yanchor: "top", font: { size: 11 } } }), config);
  }

  function sensitivity(element, data) {
    element.style.height = 90 + 19 * data.label.length + "px";
    const rows = data.label.map((_, index) => index);
    const traces = data.schemes.map((scheme, index) => ({
      type: "scatter", mode: "markers", name: scheme.name, x: scheme.level, y: rows, marker: { size: 9, color: series(index) },
      text: data.label, hovertemplate: "<b>%{text}</b><br>" + scheme.name + " %{x:.4g} " + data.unit + "<extra></extra>",
    }));
    const shapes = data.schemes.map((scheme, index) => ({ scheme, index })).filter(({ scheme }) => scheme.whole !== null)
      .map(({ scheme, index }) => ({ type: "line", x0: scheme.whole, x1: scheme.whole, yref: "paper", y0: 0, y1: 1,
                                     line: { color: series(index), width: 1.25, dash: "dash" } }));
    const reach = data.unit === "dB" ? {} : { type: "log", exponentformat: "power" };
    return Plotly.react(element, traces, layout(
      axis(data.unit === "dB" ? "SQNR of the outputs in dB" : data.unit, Object.assign({ side: "top" }, reach)),
      axis("", { autorange: "reversed", tickmode: "array", tickvals: rows, ticktext: data.label,
                 tickfont: { size: 11, family: "ui-monospace, Menlo, Consolas, monospace" } }),
      { shapes: data.unit === "dB" ? shapes : [], margin: { l: 60, r: 16, t: 44, b: 20 }, legend: { orientation: "h", x: 0, y: 0, yanchor: "top" } },
    ), config);
  }

  function tradeoff(element, data) {
    const points = (x, y, text, more) => Object.assign(
      { type: "scatter", x: x, y: y, text: text, hovertemplate: "%{text}<extra></extra>" }, more);
    const traces = [
      points(data.cost, data.error, data.text, { mode: "lines+markers", name: "no plan beats these in both",
        line: { color: series(0), shape: "hv", width: 1.25 }, marker: { size: 8 } }),
      points([data.chosen.cost], [data.chosen.error], [data.chosen.text], { mode: "markers", name: "chosen",
        marker: { size: 15, symbol: "star", color: colour("bad") } }),
    ];
    if (data.measured !== null) {
      traces.push(points([data.chosen.cost], [data.measured], [data.chosen.text], { mode: "markers", name: "chosen, whole plan measured",
        marker: { size: 12, symbol: "star-open", color: colour("bad"), line: { width: 1.5 } } }));
    }
    const cost = data.by_size ? axis("weights", { tickformat: "~s", ticksuffix: "B" }) : axis("predicted time", { tickformat: "~s", ticksuffix: "s" });
    return Plotly.react(element, traces, layout(cost, axis("error of the outputs", { type: "log", exponentformat: "power" }),
      { legend: { orientation: "h", x: 0, y: -0.24, yanchor: "top" } }), config);
  }

  function schedule(element, data, zoomed) {
    const thin = data.first_frames_s !== null && !zoomed; // no room for borders between bars
    element.style.height = 110 + 48 * data.lanes.length + "px";
    const traces = data.networks.map((name, network) => {
      const keep = (index) => data.network[index] === network;
      return {
        type: "bar", orientation: "h", name: name, y: pick(data.lane, keep), base: pick(data.start_s, keep),
        x: pick(data.length_s, keep), width: 0.62,
        text: pick(data.label, keep), textposition: "inside", insidetextanchor: "middle", textangle: 0,
        insidetextfont: { color: colour("page") }, customdata: pick(data.text, keep), hovertemplate: "%{customdata}<extra></extra>",
        marker: { color: series(network),
                  line: { color: pick(data.late, keep).map((late) => late ? colour("bad") : thin ? series(network) : colour("page")),
                          width: pick(data.late, keep).map((late) => (late ? 3 : 1)) } },
      };
    });
    if (data.late.some(Boolean)) {
      traces.push({ type: "bar", x: [null], y: [null], name: "ends after its deadline",
                    marker: { color: colour("page"), line: { color: colour("bad"), width: 3 } } });
    }
    const shapes = data.deadlines_s.map((at) => ({ type: "line", x0: at, x1: at, yref: "paper", y0: 0, y1: 1,
                                                    line: { color: colour("soft"), width: 1, dash: "dash" } }));
    return Plotly.react(element, traces, layout(
      axis("time", Object.assign({ tickformat: "~s", ticksuffix: "s" }, zoomed ? { range: [0, data.first_frames_s] } : { rangemode: "tozero" })),
      axis("", { range: [data.lanes.length - 0.5, -0.5], tickmode: "array", tickvals: data.lanes.map((_, index) => index), ticktext: data.lanes,
                 showgrid: false }),
      { barmode: "overlay", shapes: shapes, uniformtext: { minsize: 10, mode: "hide" },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, margin: { l: 70, r: 16, t: 30, b: 44 } }), config);
  }

  function rampColour(percent) {
    const place = (percent / 100) * (ramp.length - 1);
    const low = Math.min(Math.floor(place), ramp.length - 2);
    return ramp[low].map((value, index) => Math.round(value + (ramp[low + 1][index] - value) * (place - low)));
  }

  function map(canvas, data) {
    canvas.width = data.columns;
    canvas.height = data.rows;
    const context = canvas.getContext("2d");
    const image = context.createImageData(data.columns, data.rows);
    data.percents.forEach((percent, index) => {
      image.data.set(percent === null ? [128, 128, 128, 255] : [...rampColour(percent), 255], 4 * index);
    });
    context.putImageData(image, 0, 0);
  }

  function drawAll() {
    let drawn = 0;
    const draw = (id, data, how, ...rest) => {
      const element = document.getElementById(id);
      if (!element || !data) return;
      how(element, data, ...rest);
      drawn += 1;
    };
    charts.networks.forEach((network, index) => {
      const id = (name) => "n" + index + "-" + name;
      draw(id("roofline"), network.roofline, roofline, network.segments);
      draw(id("hot"), network.hot, hot, network.segments);
      network.memory.forEach((data, place) => draw(id("arena-" + place), data, arena));
      network.vendor_memory.forEach((data, place) => draw(id("vendor-" + place), data, arena));
      draw(id("banks"), network.banks, banks);
      draw(id("sensitivity"), network.sensitivity, sensitivity);
      draw(id("tradeoff"), network.tradeoff, tradeoff);
      draw(id("depth"), network.depth, depth, network.segments);
      draw(id("frames"), network.frames.length ? network.frames : null, frames);
      network.maps.forEach((data, place) => draw(id("map-" + place), data, map));
    });
    draw("schedule-first", charts.schedule, schedule, true);
    draw("schedule-chart", charts.schedule, schedule, false);
    document.documentElement.dataset.drawn = drawn;
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll(".ramp").forEach((element) => {
    element.style.background = "linear-gradient(to right, " + ramp.map((rgb) => "rgb(" + rgb + ")").join(", ") + ")";
  });
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
