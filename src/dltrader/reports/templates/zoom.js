"use strict";
// Zooms a chart of prices: drag a stretch, wheel or pinch, keys and buttons; a double click shows all again.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const LEAST = 8, CANDLES = 160;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const percent = (value) => `${+(100 * value).toFixed(1)}%`.replace("-", "\u2212");
  const price = (value) => value >= 1e4 ? `${+(value / 1e3).toPrecision(6)}k` : String(+value.toPrecision(6));

  // Round values between two, 1, 2 or 5 times a power of ten apart.
  function ticks(low, high, most) {
    const raw = (high - low) / Math.max(most, 1), power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((one) => one >= raw * (1 - 1e-9));
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-12); i++) found.push(+(i * step).toPrecision(12));
    return found;
  }

  // Bars at which an hour, day, month or year begins, and what to write there.
  const DAY = 86400, MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const clock = (d) => d.toISOString().slice(11, 16), day = (d) => `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`;
  const month = (d) => `${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}`, year = (d) => String(d.getUTCFullYear());
  const monthly = (n) => (t, d) => Math.floor((d.getUTCFullYear() * 12 + d.getUTCMonth()) / n);
  const STEPS = [
    [(t) => Math.floor(t / 900), clock], [(t) => Math.floor(t / 3600), clock], [(t) => Math.floor(t / 10800), clock],
    [(t) => Math.floor(t / DAY), day], [(t) => Math.floor(t / DAY / 7), day], [monthly(1), month], [monthly(3), month],
    [monthly(6), month], [monthly(12), year], [monthly(24), year], [monthly(60), year], [monthly(120), year],
  ];
  function dates(data, from, to, most) {
    let found = [];
    const isDaily = data.t[to] - data.t[from] >= (to - from) * DAY;
    for (const [period, written] of STEPS.slice(isDaily ? 3 : 0)) {
      found = [];
      for (let i = Math.max(from, 1); i <= to; i++) {
        const now = new Date(data.t[i] * 1e3), before = new Date(data.t[i - 1] * 1e3);
        if (period(data.t[i], now) !== period(data.t[i - 1], before)) found.push([i, written(now)]);
      }
      if (found.length <= most) break;
    }
    const least = (to - from + 1) / (most + 1) * 0.7;
    return found.filter(([i], n) => n === 0 || i - found[n - 1][0] >= least);
  }

  function zoomable(svg, data, bar) {
    const at = Object.fromEntries(Object.entries(svg.dataset).map(([key, value]) => [key, +value]));
    const view = svg.querySelector(".view"), whole = view.innerHTML, last = data.t.length - 1;
    const make = (name, attributes) => {
      const made = document.createElementNS(NS, name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      svg.append(made);
      return made;
    };
    const choice = make("rect", { class: "choice", y: at.top, height: at.floor - at.top, visibility: "hidden" });
    const cross = make("line", { class: "cross", y1: at.top, y2: at.floor, visibility: "hidden" });
    const x = (i) => at.left + (i - bar.from) / (bar.to - bar.from) * (at.right - at.left);
    const barAt = (event) => {
      const box = svg.getBoundingClientRect(), place = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      return clamp(bar.from + (place - at.left) / (at.right - at.left) * (bar.to - bar.from), bar.from, bar.to);
    };

    function draw() {
      cross.setAttribute("visibility", "hidden");
      if (bar.from === 0 && bar.to === last) { view.innerHTML = whole; return; }
      const a = Math.floor(bar.from), b = Math.ceil(bar.to), isCandles = b - a <= CANDLES;
      const [bottoms, tops] = isCandles ? [data.l, data.h] : [data.c, data.c];
      let low = Math.min(...bottoms.slice(a, b + 1)), high = Math.max(...tops.slice(a, b + 1));
      if (low === high) [low, high] = [low * 0.95, high * 1.05];
      const room = 0.06 * (high - low), base = at.base, span = base - at.top;
      low -= room; high += room;
      const isLog = at.log === 1 && low > 0, form = isLog ? Math.log : (value) => value;
      const y = (value) => base - (form(value) - form(low)) / (form(high) - form(low)) * span;
      const inside = (i) => clamp(x(i), at.left, at.right), out = [];
      const stretches = (sign) => {
        for (let i = a, start = a; i <= b; i++) {
          if (i < b && Math.sign(data.e[i + 1]) === Math.sign(data.e[i])) continue;
          if (Math.sign(data.e[i])) sign(Math.sign(data.e[i]), inside(start - 0.5), inside(i + 0.5));
          start = i + 1;
        }
      };
      stretches((side, from, to) => out.push(`<rect class="tint-${side > 0 ? "long" : "short"}" x="${from}" y="${at.top}" width="${to - from}" height="${span}"/>`));
      for (const value of ticks(low, high, span / 44)) {
        out.push(`<line class="grid" x1="${at.left}" x2="${at.right}" y1="${y(value)}" y2="${y(value)}"/><text class="tick" x="${at.left - 8}" y="${y(value) + 4}" text-anchor="end">${price(value)}</text>`);
      }
      if (isCandles) {
        const half = 0.32 * (x(1) - x(0));
        for (let i = Math.ceil(bar.from); i <= bar.to; i++) {
          const [o, c] = [y(data.o[i]), y(data.c[i])], top = Math.min(o, c);
          out.push(`<path class="candle ${data.c[i] >= data.o[i] ? "rise" : "fall"}" d="M${x(i)} ${y(data.h[i])}V${top}M${x(i)} ${Math.max(o, c)}V${y(data.l[i])}M${x(i) - half} ${top}h${2 * half}v${Math.abs(o - c)}h${-2 * half}Z"/>`);
        }
      } else {
        out.push(`<path class="line price" d="M${data.c.slice(a, b + 1).map((value, i) => `${inside(a + i).toFixed(1)} ${y(value).toFixed(1)}`).join("L")}"/>`);
      }
      for (const [i, value, side] of data.f) {
        if (i < bar.from || i > bar.to) continue;
        const tip = side > 0 ? -5.5 : 5.5;
        out.push(`<path class="${side > 0 ? "buy" : "sell"}" d="M${x(i)} ${clamp(y(value), at.top, base) + tip}l5.5 ${-1.8 * tip}h-11Z"/>`);
      }
      const held = data.e.slice(a, b + 1), least = Math.min(0, ...held), most = Math.max(0, ...held) || (least ? 0 : 1);
      const z = (value) => at.floor - (value - 1.06 * least) / (1.06 * (most - least)) * (at.floor - at.under);
      for (const value of ticks(least, most * 1.0001, 2)) out.push(`<line class="grid" x1="${at.left}" x2="${at.right}" y1="${z(value)}" y2="${z(value)}"/><text class="tick" x="${at.left - 8}" y="${z(value) + 4}" text-anchor="end">${percent(value)}</text>`);
      for (const [side, name] of [[1, "long"], [-1, "short"]]) {
        if (!held.some((value) => Math.sign(value) === side)) continue;
        const steps = held.map((value, i) => `L${inside(a + i - 0.5)} ${z(Math.sign(value) === side ? value : 0)}H${inside(a + i + 0.5)}`);
        out.push(`<path class="step-${name}" d="M${inside(a)} ${z(0)}${steps.join("")}L${inside(b)} ${z(0)}Z"/>`);
      }
      out.push(`<line class="foot" x1="${at.left}" x2="${at.right}" y1="${at.floor}" y2="${at.floor}"/>`);
      for (const [i, words] of dates(data, a, b, Math.max(2, (at.right - at.left) / 84))) {
        if (i >= bar.from) out.push(`<text class="tick" x="${x(i)}" y="${at.floor + 18}" text-anchor="${x(i) > at.right - 16 ? "end" : "middle"}">${words}</text>`);
      }
      view.innerHTML = out.join("");
    }

    const point = (event) => {
      const i = Math.round(barAt(event)), time = new Date(data.t[i] * 1e3).toISOString();
      cross.setAttribute("x1", x(i)); cross.setAttribute("x2", x(i)); cross.setAttribute("visibility", "visible");
      bar.say(`${time.slice(0, 10)}${data.t[i] % DAY ? ` ${time.slice(11, 16)}` : ""}  close ${price(data.c[i])}, exposure ${percent(data.e[i])}`);
    };
    const fingers = new Map();
    let start = null, pinch = null;
    const spread = () => { const [a, b] = [...fingers.values()]; return Math.max(Math.abs(a.clientX - b.clientX), 20); };
    svg.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, event);
      if (fingers.size === 2) { pinch = spread(); start = null; choice.setAttribute("visibility", "hidden"); return; }
      start = barAt(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event);
      if (pinch && fingers.size === 2) {
        const now = spread();
        bar.zoom(pinch / now, barAt(event));
        pinch = now;
        return;
      }
      point(event);
      if (start === null) return;
      const [a, b] = [x(start), x(barAt(event))];
      choice.setAttribute("x", Math.min(a, b)); choice.setAttribute("width", Math.abs(a - b)); choice.setAttribute("visibility", "visible");
    });
    const release = (event) => {
      fingers.delete(event.pointerId);
      pinch = null;
      choice.setAttribute("visibility", "hidden");
      const end = barAt(event), from = start;
      start = null;
      if (event.type === "pointerup" && from !== null && Math.abs(x(end) - x(from)) > 8) bar.show(Math.min(from, end), Math.max(from, end));
    };
    svg.addEventListener("pointerup", release);
    svg.addEventListener("pointercancel", release);
    svg.addEventListener("pointerleave", () => { if (start === null) { cross.setAttribute("visibility", "hidden"); bar.say(""); } });
    svg.addEventListener("dblclick", () => bar.show(0, last));
    svg.addEventListener("wheel", (event) => {
      // Without the focus, or Ctrl, the wheel scrolls the page: nobody wants to be caught by a chart.
      if (document.activeElement !== bar.box && !event.ctrlKey) return;
      event.preventDefault();
      bar.zoom(event.deltaY > 0 ? 1.25 : 0.8, barAt(event));
    }, { passive: false });
    return draw;
  }

  for (const figure of document.querySelectorAll("figure[data-zoom]")) {
    const data = JSON.parse(document.getElementById(figure.dataset.zoom).textContent), last = data.t.length - 1;
    if (last <= LEAST) continue;
    const box = figure.querySelector(".drawing"), tools = document.createElement("div"), output = document.createElement("output");
    tools.className = "tools";
    const draws = [], bar = { from: 0, to: last, box, say: (words) => { output.textContent = words || "Drag to zoom, double click for all"; } };
    bar.show = (from, to) => {
      const width = clamp(to - from, LEAST, last);
      bar.from = clamp((from + to - width) / 2, 0, last - width);
      bar.to = bar.from + width;
      for (const draw of draws) draw();
    };
    bar.zoom = (factor, about = (bar.from + bar.to) / 2) => bar.show(about - (about - bar.from) * factor, about + (bar.to - about) * factor);
    const shift = (share) => { const by = clamp(share * (bar.to - bar.from), -bar.from, last - bar.to); bar.show(bar.from + by, bar.to + by); };
    const ways = { "+": () => bar.zoom(0.6), "=": () => bar.zoom(0.6), "-": () => bar.zoom(1.6), "ArrowLeft": () => shift(-0.2), "ArrowRight": () => shift(0.2), "0": () => bar.show(0, last), "Escape": () => bar.show(0, last) };
    for (const [key, words, label] of [["+", "+", "Zoom in"], ["-", "\u2212", "Zoom out"], ["ArrowLeft", "\u2190", "Earlier"], ["ArrowRight", "\u2192", "Later"], ["0", "All", "Show all"]]) {
      const button = document.createElement("button");
      button.type = "button"; button.textContent = words; button.setAttribute("aria-label", label);
      button.addEventListener("click", ways[key]);
      tools.append(button);
    }
    tools.append(output);
    bar.say("");
    box.before(tools);
    box.tabIndex = 0;
    box.addEventListener("pointerdown", () => box.focus({ preventScroll: true }));
    box.addEventListener("keydown", (event) => {
      if (!ways[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      ways[event.key]();
    });
    for (const svg of box.querySelectorAll("svg.zoomable")) draws.push(zoomable(svg, data, bar));
  }
})();
