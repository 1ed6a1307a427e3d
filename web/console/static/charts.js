// Draws the tables of the overview. They stay where they are, behind "Data"; without this script they are the page.
"use strict";

(() => {
  const probe = document.createElement("span");
  document.body.append(probe);
  const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;

  // A custom property as a colour of the present scheme
  function color(name) {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  const number = (cell) => (cell.dataset.v === "" ? null : Number(cell.dataset.v));

  function read(table) {
    const rows = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells];
    const series = heads.flatMap((head, column) => head.dataset.color
      ? [{ name: head.textContent, color: head.dataset.color, cells: rows.map((row) => row.cells[column]) }]
      : []);
    return { labels: rows.map((row) => row.dataset.label), series };
  }

  function draw(place) {
    const bars = place.dataset.chart === "bar";
    const { labels, series } = read(document.getElementById(place.dataset.table));
    const title = place.parentElement.querySelector("h2").textContent;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}: the same as in the table "Data"`);
    place.replaceChildren(canvas);
    const quiet = color("quiet"), rule = color("rule"), unit = bars ? "" : " ms";
    return new Chart(canvas, {
      type: place.dataset.chart,
      data: {
        labels,
        datasets: series.map((one) => ({
          label: one.name,
          data: one.cells.map(number),
          backgroundColor: color(one.color),
          borderColor: color(one.color),
          borderWidth: bars ? 0 : 2,
          pointRadius: labels.length > 40 ? 0 : 2.5,
          maxBarThickness: 44,
        })),
      },
      options: {
        animation: reduced ? false : { duration: 250 },
        responsive: true,
        maintainAspectRatio: false,
        interaction: { mode: bars ? "nearest" : "index", intersect: bars },
        color: quiet,
        scales: {
          x: { stacked: bars, grid: { display: false }, border: { color: rule }, ticks: { color: quiet, maxRotation: 0, autoSkipPadding: 12 } },
          y: { stacked: bars, beginAtZero: true, border: { display: false }, grid: { color: rule }, ticks: { color: quiet, precision: 0, maxTicksLimit: 6 } },
        },
        plugins: {
          legend: { position: "bottom", labels: { color: quiet, boxWidth: 10, boxHeight: 10 } },
          tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${item.formattedValue}${unit}` } },
        },
        onHover: (event, found) => { event.native.target.style.cursor = found.length && bars ? "pointer" : ""; },
        onClick: (_, found) => {
          if (bars && found.length) series[found[0].datasetIndex].cells[found[0].index].querySelector("a")?.click();
        },
      },
    });
  }

  let drawn = [];
  function drawAll() {
    drawn.forEach((one) => one.destroy());
    drawn = [...document.querySelectorAll("[data-chart]")].map(draw);
  }

  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 12;
  document.querySelectorAll(".chart > details").forEach((one) => { one.open = false; });
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
