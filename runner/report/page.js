"use strict";
// Written into each report as it is: tables that sort and fold, then charts. All text is set as text, never as HTML.
(() => {
  const make = (tag, text = "", name = "") => {
    const node = document.createElement(tag);
    node.textContent = text;
    if (name) node.className = name;
    return node;
  };

  // ---- Tables

  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const key = (row, index) => {
    const cell = row.cells[index];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    return cell.classList.contains("n") || cell.textContent === "–" ? null : cell.textContent;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === typeof b) return order.compare(a, b);
    return typeof a === "number" ? -1 : 1;
  };

  const sort = (table, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => [key(row, head.cellIndex), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // what is not known stays below
      return down ? compare(b, a) : compare(a, b);
    });
    const sorted = document.createDocumentFragment();
    for (const [, row] of keyed) sorted.append(row);
    body.append(sorted);
  };

  const prepare = (table) => {
    const body = table.tBodies[0];
    const shown = Number(table.dataset.shown);
    const total = body.rows.length;
    let refold = () => {};
    if (total > shown) {
      const tools = make("div", "", "tools");
      const filter = make("input");
      const more = make("button");
      const said = make("span");
      filter.type = "search";
      filter.placeholder = "Filter rows";
      filter.setAttribute("aria-label", "Filter rows");
      more.type = "button";
      said.setAttribute("aria-live", "polite");
      let all = false;
      refold = () => {
        const wanted = filter.value.trim().toLowerCase();
        let hits = 0;
        for (const row of body.rows) {
          const hit = !wanted || row.textContent.toLowerCase().includes(wanted);
          hits += hit;
          row.classList.toggle("more", !hit || (!all && hits > shown));
        }
        const seen = all ? hits : Math.min(hits, shown);
        said.textContent = `${seen.toLocaleString("en")} of ${total.toLocaleString("en")} rows`;
        more.textContent = all ? "Show fewer" : `Show all ${hits.toLocaleString("en")}`;
        more.hidden = hits <= shown;
      };
      filter.addEventListener("input", refold);
      more.addEventListener("click", () => { all = !all; refold(); });
      tools.append(filter, more, said);
      table.parentElement.after(tools);
      refold();
    }
    table.classList.add("ready");
    for (const head of table.tHead.rows[0].cells) {
      head.firstElementChild.addEventListener("click", () => { sort(table, head); refold(); });
    }
  };
  for (const table of document.querySelectorAll("table[data-shown]")) prepare(table);

  // ---- Commands

  for (const button of document.querySelectorAll(".copy")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.nextElementSibling.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  // ---- Charts

  const charts = JSON.parse(document.getElementById("charts").textContent);
  const touch = matchMedia("(pointer: coarse)").matches;
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const shown = (value) => (typeof value === "number" ? number.format(value) : value);
  const escaped = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`); // plotly reads some tags
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    return (name) => style.getPropertyValue(`--${name}`).trim();
  };

  // A baseline has two ends; the tooltip shall show it everywhere.
  const spread = (line, xs) =>
    line.style === "dashed" && line.y.length > 0 && line.y.every((value) => value === line.y[0])
      ? { ...line, x: xs, y: xs.map(() => line.y[0]) } : line;

  const xsOf = (chart, lines = chart.lines) => // of bars they are names, in the page's order
    chart.groups ?? [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);

  const bars = (chart, colour) => chart.lines.map((line, index) => ({
    type: "bar", x: line.x.map(escaped), y: line.y, name: escaped(line.name), hovertemplate: "%{y:,.4~g}",
    marker: { color: colour(`s${index % 10}`) },
    ...(line.low ? { error_y: {
      type: "data", symmetric: false, thickness: 1.2, width: 2, color: colour("soft"),
      array: line.high.map((high, at) => (high === null ? 0 : high - line.y[at])),
      arrayminus: line.low.map((low, at) => (low === null ? 0 : line.y[at] - low)),
    } } : {}),
  }));

  const traces = (chart, colour) => {
    if (chart.groups) return bars(chart, colour);
    const xs = xsOf(chart);
    return chart.lines.flatMap((given, index) => {
      const line = spread(given, xs);
      const stroke = colour(`s${index % 10}`);
      const group = String(index);
      const main = {
        type: "scatter", x: line.x, y: line.y, name: escaped(line.name), legendgroup: group,
        mode: line.style === "points" || line.x.length === 1 ? "markers" : "lines",
        line: { color: stroke, width: { dashed: 1.6, thin: 1 }[line.style] ?? 2.2, dash: line.style === "dashed" ? "5px,4px" : "solid" },
        marker: { color: stroke, size: 6, opacity: line.style === "points" ? 0.75 : 1 },
        opacity: line.style === "thin" ? 0.65 : 1, legendrank: index, zorder: line.style === "thin" ? 0 : 1,
        hovertemplate: "%{y:,.4~g}",
      };
      if (!line.low) return [main];
      const edge = {
        type: "scatter", x: line.x, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false, legendgroup: group,
        zorder: 1,
      };
      return [{ ...edge, y: line.low }, { ...edge, y: line.high, fill: "tonexty", fillcolor: `${stroke}2b` }, main];
    });
  };

  // 1, 2, 5, 10, … : plotly labels more of a short logarithmic axis than there is room for.
  const logTicks = (xs) => {
    const decades = Math.log10(xs.at(-1) / xs[0]);
    const steps = decades > 4 ? [1] : [1, 2, 5];
    const found = [];
    for (let power = Math.floor(Math.log10(xs[0])); power <= Math.log10(xs.at(-1)); power += 1) {
      for (const step of steps) found.push(step * 10 ** power);
    }
    return { tickmode: "array", tickvals: found, ticktext: found.map(shown) };
  };

  const layout = (chart, colour) => {
    const axis = {
      automargin: true, gridcolor: colour("grid"), linecolor: colour("line"), zeroline: false,
      tickfont: { size: 12, color: colour("soft") }, fixedrange: touch,
    };
    const title = (text) => ({ text: escaped(text), font: { size: 12.5, color: colour("soft") }, standoff: 8 });
    const xs = xsOf(chart);
    const few = chart.whole && !chart.log && xs.at(-1) - xs[0] <= 10;
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("text") },
      margin: { l: 44, r: 10, t: 8, b: 40 }, dragmode: touch ? false : "zoom",
      hoverdistance: -1, hovermode: chart.lines.length > 12 ? "closest" : "x unified",
      hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { size: 12.5, color: colour("text") } },
      showlegend: chart.lines.length > 1,
      barmode: "group", bargap: 0.25, bargroupgap: 0.06,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12.5 } },
      xaxis: {
        ...axis, title: title(chart.x), type: chart.groups ? "category" : chart.log ? "log" : "linear", hoverformat: ",.6~g",
        ...(chart.groups ? {} : { unifiedhovertitle: { text: `${escaped(chart.x)} %{x:,.6~g}` } }), showgrid: false, ticks: "outside",
        ticklen: 4, tickcolor: colour("line"), ...(chart.whole ? { tickformat: ",d" } : {}), ...(few ? { dtick: 1 } : {}),
        ...(chart.log ? logTicks(xs) : {}),
      },
      yaxis: { ...axis, title: title(chart.y), showline: false, ...(chart.zero ? { rangemode: "tozero" } : {}) },
    };
  };

  const draw = (node) => {
    const chart = charts[Number(node.dataset.chart)];
    const colour = theme();
    node.dataset.drawn = "yes";
    const narrow = node.clientWidth < 520 && chart.lines.length > 3; // there the legend takes a row for each two or so
    node.style.height = narrow ? `${300 + 20 * Math.min(chart.lines.length, 12)}px` : "";
    const printing = document.documentElement.classList.contains("printing"); // paper is not as wide as the window
    const size = printing ? { width: node.clientWidth, height: node.clientHeight } : {};
    const wanted = { ...layout(chart, colour), ...size };
    return Plotly.react(node, traces(chart, colour), wanted, { responsive: true, displayModeBar: false });
  };

  // Arrow keys move through a chart's points as a mouse does, and say them.
  const walk = (node) => {
    const chart = charts[Number(node.dataset.chart)];
    const walked = chart.lines.filter((line) => line.style !== "dashed");
    const xs = xsOf(chart, walked.length ? walked : chart.lines);
    const all = xsOf(chart);
    let at = -1;
    node.addEventListener("keydown", (event) => {
      const last = xs.length - 1;
      const next = { ArrowRight: Math.min(at + 1, last), ArrowLeft: Math.max(at - 1, 0), Home: 0, End: last }[event.key];
      if (event.key === "Escape") Plotly.Fx.unhover(node);
      if (next === undefined || !node.dataset.drawn) return;
      event.preventDefault();
      at = next;
      const values = chart.lines.flatMap((given) => {
        const line = spread(given, all);
        const value = line.y[line.x.indexOf(xs[at])];
        return value === undefined || value === null ? [] : [`${line.name} ${number.format(value)}`];
      });
      Plotly.Fx.hover(node, chart.groups ? node.data.map((_, curveNumber) => ({ curveNumber, pointNumber: at })) : { xval: xs[at] });
      node.parentElement.querySelector(".said").textContent = `${chart.x} ${shown(xs[at])}: ${values.join(", ")}`;
    });
  };

  const scale = (node) => {
    const chart = charts[Number(node.dataset.chart)];
    if (chart.groups || !chart.lines.every((line) => line.x.every((value) => value > 0))) return;
    const button = make("button", "", "scale");
    const say = () => { button.textContent = chart.log ? "Linear axis" : "Log axis"; };
    button.type = "button";
    button.addEventListener("click", () => { chart.log = !chart.log; say(); draw(node); });
    say();
    node.before(button);
  };

  const dataTable = (details) => {
    const chart = charts[Number(details.dataset.chart)];
    const table = make("table");
    const head = table.createTHead().insertRow();
    const heads = chart.lines.flatMap((line) => (line.low ? [line.name, `${line.name}: from`, "to"] : [line.name]));
    for (const name of [chart.x, ...heads]) {
      const cell = make("th", "", "n");
      cell.scope = "col";
      cell.append(make("button", name));
      head.append(cell);
    }
    const body = table.createTBody();
    const columns = chart.lines.flatMap((line) =>
      (line.low ? [line.y, line.low, line.high] : [line.y]).map((ys) => new Map(line.x.map((x, index) => [x, ys[index]]))));
    for (const x of xsOf(chart)) {
      const row = body.insertRow();
      for (const value of [x, ...columns.map((column) => column.get(x))]) {
        const cell = row.insertCell();
        const known = value !== undefined && value !== null;
        cell.className = "n";
        cell.textContent = known ? shown(value) : "–";
        if (typeof value === "number") cell.dataset.v = value;
        else if (known) cell.className = "";
      }
    }
    const around = make("div", "", "scroll");
    around.tabIndex = 0;
    around.append(table);
    details.append(around);
    table.dataset.shown = 1e9;
    prepare(table);
  };

  const nodes = [...document.querySelectorAll(".plot")];
  for (const details of document.querySelectorAll("details.data")) {
    details.addEventListener("toggle", () => dataTable(details), { once: true });
  }

  // The library is unpacked as text into a script element that the page's policy knows by its hash.
  const load = async () => {
    const packed = Uint8Array.from(atob(document.getElementById("library").textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    document.head.append(make("script", await new Response(stream).text()));
    if (!window.Plotly) throw new Error("the chart library did not start");
  };
  const begin = async () => {
    await load();
    const watch = new IntersectionObserver((seen) => {
      for (const { isIntersecting, target } of seen) if (isIntersecting && !target.dataset.drawn) draw(target);
    }, { rootMargin: "600px" });
    for (const node of nodes) {
      walk(node);
      scale(node);
      watch.observe(node);
    }
    const again = () => nodes.filter((node) => node.dataset.drawn).forEach(draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    addEventListener("beforeprint", () => { document.documentElement.classList.add("printing"); nodes.forEach(draw); });
    addEventListener("afterprint", () => {
      document.documentElement.classList.remove("printing");
      for (const node of nodes) draw(node).then(Plotly.Plots.resize);
    });
    document.documentElement.dataset.ready = "yes";
  };
  if (nodes.length === 0) document.documentElement.dataset.ready = "yes";
  else begin().catch((error) => {
    console.error(error);
    for (const node of nodes) node.replaceWith(make("p", `This browser cannot draw the chart (${error.message}).`, "note"));
  });
})();
