"use strict";
// Draws what the page's JSON holds. Every number and text in it is finished: nothing is computed here but pixels.
(function () {
  const data = JSON.parse(document.getElementById("charts").textContent);
  const { config, colour, series, axis, layout, sortable } = window.page;
  const which = document.getElementById("which");
  const at = (id) => document.getElementById(id);
  const small = { l: 46, r: 10, t: 8, b: 36 };
  const scale = [[0, "#fdf3db"], [0.25, "#f7bd73"], [0.5, "#de6b49"], [0.75, "#962d5a"], [1, "#34104a"]];
  const signed = [[0, "#2f6db5"], [0.5, "#f5f6f8"], [1, "#b3261e"]];

  function depth() {
    const d = data.depth;
    const symbols = d.passed.map((passed) => (passed ? "circle" : "x"));
    const points = (y, more) => Object.assign({
      type: "scatter", mode: "lines+markers", x: d.x, y: y, text: d.text, hovertemplate: "%{text}<extra></extra>", connectgaps: true,
    }, more);
    const traces = [points(d.y, {
      name: "from the input on", line: { color: colour("line"), width: 1.5 },
      marker: { size: 8, symbol: symbols, color: d.passed.map((passed) => (passed ? series(0) : colour("bad"))) },
    })];
    if (d.alone.some((value) => value !== null)) {
      traces.push(points(d.alone, { name: "this layer alone", mode: "markers", marker: { size: 8, symbol: "circle-open", color: series(1) } }));
    }
    Plotly.react(at("depth"), traces, layout(axis("tensor in the dump's order"), axis("relative error", { type: "log", exponentformat: "power" })), config);
  }

  function clip() {
    if (!data.clip) return;
    at("clip-chart").style.height = 90 + 18 * data.clip.labels.length + "px";
    Plotly.react(at("clip-chart"), [{
      type: "heatmap", x: data.clip.frames, y: data.clip.labels.map((_, index) => index), z: data.clip.rows, zmin: 0, zmax: 60,
      colorscale: scale.map(([place, value]) => [1 - place, value]).reverse(), hoverongaps: false,
      text: data.clip.labels.map((name) => data.clip.frames.map(() => name)),
      hovertemplate: "%{text}<br>frame %{x}: %{z:.1f} dB<extra></extra>", colorbar: { title: { text: "dB" }, thickness: 12 },
    }], layout(axis("frame"), axis("", { autorange: "reversed", tickmode: "array", tickvals: data.clip.labels.map((_, index) => index),
      ticktext: data.clip.labels, tickfont: { size: 11, family: "ui-monospace, Menlo, Consolas, monospace" } })), config);
  }

  function maps(found) {
    at("maps").hidden = !found;
    at("plane").textContent = found ? found.title : "";
    if (!found) return;
    const flat = (names) => names.flatMap((name) => found[name].flat()).filter((value) => value !== null);
    const values = flat(["reference", "board"]);
    const least = values.reduce((a, b) => Math.min(a, b), Infinity), most = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const reach = flat(["difference"]).reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
    ["reference", "board", "difference"].forEach((name) => {
      const own = name === "difference";
      Plotly.react(at("map-" + name), [{
        type: "heatmap", x: found.x, y: found.y, z: found[name], zmin: own ? -reach : least, zmax: own ? reach : most,
        colorscale: own ? signed : scale, hovertemplate: "row %{y:.0f}, column %{x:.0f}: %{z:.4g}<extra></extra>",
        colorbar: { thickness: 8, tickfont: { size: 10 } },
      }], layout(axis(""), axis("", { autorange: "reversed", scaleanchor: "x" }), { margin: small }), config);
    });
    linkZoom(["reference", "board", "difference"].map((name) => at("map-" + name)));
  }

  // A zoom into one map is a zoom into all three.
  function linkZoom(elements) {
    elements.forEach((element) => {
      if (element.dataset.linked) return;
      element.dataset.linked = "yes";
      element.on("plotly_relayout", (change) => {
        const keys = Object.keys(change).filter((key) => key.startsWith("xaxis.") || key.startsWith("yaxis."));
        if (!keys.length || document.body.dataset.linking) return;
        document.body.dataset.linking = "yes";
        const kept = Object.fromEntries(keys.map((key) => [key, change[key]]));
        Promise.all(elements.filter((other) => other !== element).map((other) => Plotly.relayout(other, kept)))
          .then(() => delete document.body.dataset.linking);
      });
    });
  }

  function sides(picture, make) {
    return [["reference", 0], ["board", 1]].map(([name, index]) => make(picture[name], name, series(index)));
  }

  function samples(picture) {
    const found = picture.samples;
    at("line").hidden = !picture.is_line;
    if (picture.is_line) {
      Plotly.react(at("line"), sides(found, (values, name, own) => (
        { type: "scatter", mode: "lines", x: found.index, y: values, name: name, line: { color: own, width: 1.25 } })),
      layout(axis("place in the tensor"), axis("value")), config);
    }
    const low = Math.min(...found.reference), high = Math.max(...found.reference);
    Plotly.react(at("scatter"), [
      { type: "scatter", mode: "lines", x: [low, high], y: [low, high], hoverinfo: "skip", showlegend: false, line: { color: colour("soft"), width: 1 } },
      { type: "scatter", mode: "markers", x: found.reference, y: found.board, showlegend: false,
        marker: { size: 4, opacity: 0.6, color: series(0) }, hovertemplate: "reference %{x:.4g}, board %{y:.4g}<extra></extra>" },
    ], layout(axis("reference"), axis("board"), { margin: small }), config);
  }

  function histogram(found) {
    at("histogram").parentElement.hidden = !found;
    if (!found) return;
    Plotly.react(at("histogram"), sides(found, (counts, name, own) => (
      { type: "scatter", mode: "lines", line: { shape: "hvh", color: own, width: 1.5 }, fill: "tozeroy", fillcolor: own + "33", x: found.x, y: counts, name: name })),
    layout(axis("value"), axis("count"), { margin: small, legend: { x: 1, xanchor: "right", y: 1 } }), config);
  }

  function channels(levels) {
    at("channels").hidden = levels.length < 2;
    if (levels.length < 2) return;
    Plotly.react(at("channels"), [{
      type: "bar", x: levels.map((_, index) => index), y: levels.map((level) => (level === null ? 0 : Math.min(level, 100))),
      marker: { color: series(0) }, hovertemplate: "channel %{x}: %{y:.1f} dB<extra></extra>",
    }], layout(axis("channel"), axis("SQNR in dB (100: equal)"), { margin: small }), config);
  }

  function show() {
    if (!which) return;
    const picture = data.pictures[Number(which.value)];
    maps(picture.maps);
    samples(picture);
    histogram(picture.histogram);
    channels(picture.channels);
    document.documentElement.dataset.picture = which.value;
  }

  function drawAll() {
    depth();
    clip();
    show();
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  if (which) {
    const [, name] = location.hash.match(/^#picture-(\d+)$/) || [];
    if (name) which.value = name;
    which.addEventListener("change", show);
  }
  drawAll();
  at("depth").on("plotly_click", (event) => {
    const index = data.depth.picture[event.points[0].x];
    if (which && index !== null) {
      which.value = index;
      show();
      at("pictures").scrollIntoView();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.documentElement.dataset.drawn = "yes";
})();
