// Draws the pictures of the board from the numbers in the page, and draws them again when htmx brings new ones.
const INK = "#0b4a52", MUTED = "#51656a", LINE = "#d6e1e2", PALE = "#9cc3c5";
const charts = new Map();
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const number = new Intl.NumberFormat(document.documentElement.lang === "en" ? "en" : "vi-VN", { maximumFractionDigits: 2 });
const day = (iso) => iso.slice(8, 10) + "/" + iso.slice(5, 7);

const base = (label) => ({
  animation: !still,
  animationDuration: 300,
  aria: { enabled: true, label: { description: label } },
  textStyle: { fontFamily: "Be Vietnam Pro, sans-serif", color: MUTED },
  grid: { left: 8, right: 8, top: 36, bottom: 4, containLabel: true },
  legend: { top: 0, left: 0, itemWidth: 16, itemHeight: 8, textStyle: { color: MUTED } },
  tooltip: { trigger: "axis", renderMode: "richText", valueFormatter: (v) => (v == null ? "–" : number.format(v)) },
});
const days = (rows) => ({
  type: "category",
  data: rows.map((row) => day(row[0])),
  axisLine: { lineStyle: { color: LINE } },
  axisTick: { show: false },
  axisLabel: { color: MUTED, hideOverlap: true },
});
const values = (more = {}) => ({
  type: "value",
  axisLabel: { color: MUTED, formatter: (v) => number.format(v) },
  splitLine: { lineStyle: { color: LINE } },
  ...more,
});
const line = (name, data, more = {}) => ({
  name, data, type: "line", symbol: "none", lineStyle: { color: INK, width: 2.5 }, itemStyle: { color: INK }, ...more,
});

const pictures = {
  cases: (rows, words) => ({
    xAxis: days(rows),
    yAxis: values({ minInterval: 1 }),
    series: [
      { name: words.cases, type: "bar", data: rows.map((r) => r[1]), itemStyle: { color: PALE }, barCategoryGap: "25%" },
      line(words.mean7, rows.map((r) => r[2])),
    ],
  }),
  r: (rows, words) => ({
    xAxis: days(rows),
    yAxis: values({ max: (v) => Math.min(Math.ceil(v.max), 6) }),
    legend: { top: 0, left: 0, itemWidth: 16, itemHeight: 8, textStyle: { color: MUTED }, data: [words.r, words.interval] },
    series: [
      line("low", rows.map((r) => r[2]), { stack: "band", lineStyle: { opacity: 0 }, itemStyle: { opacity: 0 }, tooltip: { show: false } }),
      line(words.interval, rows.map((r) => r[3] - r[2]), {
        stack: "band", lineStyle: { opacity: 0 }, areaStyle: { color: PALE, opacity: 0.55 }, itemStyle: { color: PALE }, tooltip: { show: false },
      }),
      line(words.r, rows.map((r) => r[1]), {
        markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: MUTED, type: "dashed" }, data: [{ yAxis: 1 }] },
      }),
    ],
  }),
  tests: (rows, words) => ({
    xAxis: days(rows),
    yAxis: [values({ minInterval: 1 }), values({ splitLine: { show: false }, min: 0, axisLabel: { color: MUTED, formatter: (v) => number.format(v) + " %" } })],
    series: [
      { name: words.tests, type: "bar", data: rows.map((r) => r[1]), itemStyle: { color: PALE }, barCategoryGap: "25%" },
      line(words.positivity, rows.map((r) => r[2]), { yAxisIndex: 1, connectNulls: true }),
    ],
  }),
};

function draw() {
  const source = document.getElementById("board-data");
  if (!source || !window.echarts) return;
  const data = JSON.parse(source.textContent);
  for (const box of document.querySelectorAll("[data-chart]")) {
    const name = box.dataset.chart;
    let chart = charts.get(name);
    if (!chart || chart.getDom() !== box) {
      chart?.dispose();
      chart = echarts.init(box, null, { renderer: "svg" });
      charts.set(name, chart);
      new ResizeObserver(() => chart.resize()).observe(box);
    }
    chart.setOption({ ...base(box.dataset.label), ...pictures[name](data[name], data.words) });
  }
}

let open = [];
document.addEventListener("htmx:beforeSwap", () => {
  open = [...document.querySelectorAll("#board details[open]")].map((item) => item.id);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  draw();
});
// A board that nobody looks at asks for nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.id === "board") event.preventDefault();
});
draw();
