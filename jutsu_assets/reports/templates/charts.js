"use strict";
// Reads charts value by value and zooms into them. Without it the page is whole, too.
(() => {
const WIDTH = 4000, FINE = 4, BUCKETS = 360, FEWEST = 5, DAY = 86400;
const STEPS = [["D", 1, 1], ["D", 2, 2], ["D", 7, 7], ["M", 1, 30.4], ["M", 3, 91.2], ["M", 6, 182.4],
  ...[1, 2, 5, 10, 20, 50, 100].map(years => ["Y", years, 365.25 * years])];
const DECADES = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]];
const MOST_DATES = {D: 12, M: 9, Y: 12}, MOST_NUMBERS = 7, AIR = 0.05;

const make = (tag, attributes, text) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
const minus = text => text.replace("-", "\u2212");
const plain = value => minus(Number(value.toPrecision(10)).toLocaleString("en-US", {maximumFractionDigits: 10}));
const LABELS = {
  price: value => Math.abs(value) >= 1e6 ? plain(value / 1e6) + "M" : plain(value),
  percent: value => plain(value) + " %",
  ratio: plain,
};
const digits = value => Math.abs(value) >= 1 ? 2 : 6;
const VALUES = {
  price: value => minus(value.toLocaleString("en-US", {minimumFractionDigits: 2, maximumFractionDigits: digits(value)})),
  percent: value => minus(value.toFixed(2)) + "\u00a0%",
  ratio: value => minus(value.toFixed(2)),
};

// ---- numbers of the page
const bytes = (text, Kind) => new Kind(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
const timesOf = told => {
  if (told.times) return bytes(told.times, Float64Array);
  const gaps = bytes(told.gaps, Uint16Array), times = new Float64Array(gaps.length + 1);
  times[0] = told.first;
  gaps.forEach((gap, place) => { times[place + 1] = times[place] + gap * told.unit; });
  return times;
};
const lineOf = told => {
  if (told.f8) return bytes(told.f8, Float64Array);
  if (told.f4) return bytes(told.f4, Float32Array);
  const range = (told.high - told.low) / 65534;
  return Float64Array.from(bytes(told.u2, Uint16Array), step => step === 65535 ? NaN : told.low + step * range);
};
const fallsOf = values => {
  let highest = -Infinity;
  return Float64Array.from(values, value => {
    if (value > highest) highest = value;
    return 100 * (value / highest - 1);
  });
};

// ---- axes, as in axes.py
const within = (numbers, [low, high]) => numbers.filter(number => number >= low && number <= high);
const roundNumbers = (low, high) => {
  const power = 10 ** Math.floor(Math.log10((high - low) / MOST_NUMBERS));
  const step = [1, 2, 5, 10, 20].map(times => times * power).find(size => (high - low) / size <= MOST_NUMBERS);
  const found = [];
  for (let count = Math.ceil(low / step - 1e-9); count <= Math.floor(high / step + 1e-9); count++) {
    found.push(Number((count * step).toPrecision(10)));
  }
  return found;
};
const decadeNumbers = (low, high) => {
  let found = null;
  for (const steps of DECADES) {
    const numbers = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
      numbers.push(...within(steps.map(step => step * 10 ** power), [10 ** low, 10 ** high]));
    }
    if (numbers.length <= MOST_NUMBERS) found = numbers;
  }
  if (found) return found;
  const first = Math.floor(low), count = Math.ceil(high) - first + 1, every = Math.ceil(count / MOST_NUMBERS);
  return Array.from({length: count}, (_, place) => 10 ** (first + place)).filter((_, place) => place % every === 0);
};
const logNumbers = (low, high) => {
  const found = decadeNumbers(low, high);
  // Zoomed in, a part of a decade has too few of the usual numbers.
  return found.length > 2 ? found : roundNumbers(10 ** low, 10 ** high);
};
const dateTicks = (first, last) => {
  const span = last - first, days = span / DAY;
  const [unit, step] = STEPS.find(each => days / each[2] < MOST_DATES[each[0]]) || STEPS[STEPS.length - 1];
  const date = new Date(first * 1000), year = date.getUTCFullYear();
  const start = {D: Math.floor(first / DAY), M: year * 12 + date.getUTCMonth(), Y: year}[unit];
  const at = count => unit === "D" ? count * DAY
    : Date.UTC(unit === "M" ? Math.floor(count / 12) : count, unit === "M" ? count % 12 : 0, 1) / 1000;
  const ticks = [];
  for (let count = start; at(count) <= last; count++) {
    if (count % step || at(count) < first) continue;
    const text = new Date(at(count) * 1000).toISOString();
    ticks.push([(at(count) - first) / span, {D: text.slice(5, 10), M: text.slice(0, 7), Y: text.slice(0, 4)}[unit],
      count / step % 2 !== 0]);
  }
  return ticks;
};

// ---- charts
const extremes = (values, first, last) => {
  const size = Math.max(1, Math.ceil((last - first + 1) / BUCKETS)), places = [];
  for (let start = first; start <= last; start += size) {
    let low = start, high = start;
    for (let place = start; place < Math.min(start + size, last + 1); place++) {
      if (values[place] < values[low] || Number.isNaN(values[low])) low = place;
      if (values[place] > values[high] || Number.isNaN(values[high])) high = place;
    }
    places.push(...(low === high ? [low] : [Math.min(low, high), Math.max(low, high)]));
  }
  if (places[0] !== first) places.unshift(first);
  if (places[places.length - 1] !== last) places.push(last);
  return places;
};

const draw = (chart, times, [first, last]) => {
  const drawn = chart.lines.map(values => chart.log ? Float64Array.from(values, Math.log10) : values);
  let low = Infinity, high = -Infinity;
  for (const values of drawn) for (let place = first; place <= last; place++) {
    if (values[place] < low) low = values[place];
    if (values[place] > high) high = values[place];
  }
  if (low > high) [low, high] = [0, 1];
  if (chart.hangs) [low, high] = [(low || -1) * (1 + AIR), 0];
  else {
    const air = AIR * (high - low) || Math.max(Math.abs(high), 1) * AIR;
    [low, high] = [low - air, high + air];
  }
  const numbers = chart.log ? logNumbers(low, high) : roundNumbers(low, high);
  const up = number => (100 * (1 - ((chart.log ? Math.log10(number) : number) - low) / (high - low))).toFixed(2) + "%";
  const label = LABELS[chart.unit];
  chart.rules.innerHTML = numbers.map(number => `<line x2="100%" y1="${up(number)}" y2="${up(number)}"/>`).join("");
  chart.numbers.innerHTML = numbers.map(number => `<text x="-8" y="${up(number)}" dy=".35em">${label(number)}</text>`).join("");
  chart.dates.innerHTML = dateTicks(times[first], times[last]).map(([share, text, fine]) =>
    `<text${fine ? ' class="fine"' : ""} x="${(100 * share).toFixed(2)}%" y="100%" dy="1.5em">${text}</text>`).join("");
  const tall = FINE * chart.height, span = times[last] - times[first] || 1;
  const x = place => Math.round(WIDTH * (times[place] - times[first]) / span);
  const y = value => Math.round(tall * (1 - (value - low) / (high - low)));
  const base = y(chart.hangs ? 0 : chart.unit === "percent" ? Math.min(Math.max(0, low), high) : low);
  drawn.forEach((values, row) => {
    const runs = [];
    let run = [];
    for (const place of extremes(values, first, last)) {
      if (Number.isNaN(values[place])) { if (run.length) runs.push(run); run = []; }
      else run.push(place);
    }
    if (run.length) runs.push(run);
    const paths = runs.map(places => "M" + places.map(place => `${x(place)},${y(values[place])}`).join("L"));
    chart.strokes[row].setAttribute("d", paths.join(""));
    if (row === 0 && chart.area) {
      chart.area.setAttribute("d", paths.map((path, count) => `${path}V${base}H${x(runs[count][0])}z`).join(""));
    }
  });
};

const chartOf = (figure, known) => {
  const told = figure.dataset, [rules, sheet, numbers, dates] = figure.querySelector("svg").children;
  const lines = told.lines.split(" ").map(line => "falls" in told ? fallsOf(known[line]) : known[line]);
  const paths = [...sheet.children], area = "area" in told ? paths.splice(-2, 1)[0] : null;
  const chart = {figure, svg: figure.querySelector("svg"), unit: told.unit, height: Number(told.height), log: "log" in told,
    hangs: "hangs" in told, lines, names: told.names.split("|"), colours: told.colours.split(" "), rules, numbers, dates,
    strokes: paths.reverse(), area, cursor: make("div", {class: "cursor", hidden: ""}),
    chosen: make("div", {class: "chosen", hidden: ""}), tip: make("div", {class: "tip", hidden: ""})};
  figure.append(chart.chosen, chart.cursor, chart.tip);
  figure.tabIndex = 0;
  figure.setAttribute("role", "group");
  figure.setAttribute("aria-label", `${chart.svg.getAttribute("aria-label")}. Arrow keys read values, plus and minus zoom, Escape shows all.`);
  return chart;
};

const startCharts = (block, figures) => {
  const told = JSON.parse(block.textContent), times = timesOf(told), known = told.lines.map(lineOf);
  if (times.length < 2) return;
  const charts = figures.map(figure => chartOf(figure, known)), end = times.length - 1;
  const isDaily = told.unit % DAY === 0, said = make("output", {class: "unseen", "aria-live": "polite"});
  const dateOf = place => {
    const text = new Date(times[place] * 1000).toISOString();
    return isDaily ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ") + " UTC";
  };
  let view = [0, end], at = end;
  const tools = make("div", {class: "tools", role: "group", "aria-label": "Period shown in all charts"});
  const span = make("output", {"aria-live": "polite"}), buttons = [];

  const hide = () => charts.forEach(chart => { chart.cursor.hidden = chart.tip.hidden = true; });
  const show = (first, last) => {
    first = Math.max(0, Math.min(first, end - Math.min(FEWEST, end)));
    last = Math.min(end, Math.max(last, first + Math.min(FEWEST, end)));
    view = [first, last];
    charts.forEach(chart => draw(chart, times, view));
    span.textContent = `${dateOf(first)} to ${dateOf(last)}`;
    buttons.forEach(([button, start]) => button.setAttribute("aria-pressed", String(start === first && last === end)));
    hide();
  };
  const nearest = moment => {
    let low = view[0], high = view[1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] < moment) low = middle; else high = middle;
    }
    return moment - times[low] < times[high] - moment ? low : high;
  };
  const placeAt = (chart, clientX) => {
    const box = chart.svg.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    return nearest(times[view[0]] + share * (times[view[1]] - times[view[0]]));
  };
  const left = (chart, place) => {
    const box = chart.svg.getBoundingClientRect(), frame = chart.figure.getBoundingClientRect();
    return box.left - frame.left + box.width * (times[place] - times[view[0]]) / (times[view[1]] - times[view[0]]);
  };
  const read = (active, place, isSaid) => {
    at = place;
    for (const chart of charts) {
      chart.cursor.hidden = false;
      chart.cursor.style.left = left(chart, place) + "px";
      chart.tip.hidden = chart !== active;
    }
    active.tip.replaceChildren(make("b", {}, dateOf(place)));
    const texts = active.lines.map((values, row) => {
      const text = Number.isNaN(values[place]) ? "\u2014" : VALUES[active.unit](values[place]);
      const line = make("span", {}, `${active.lines.length > 1 ? active.names[row] + " " : ""}${text}`), mark = make("i");
      mark.style.background = `var(--jutsu-${active.colours[row]})`;
      line.prepend(mark);
      active.tip.append(line);
      return `${active.names[row]} ${text}`;
    });
    const middle = left(active, place), wide = active.tip.offsetWidth, room = active.figure.clientWidth;
    active.tip.style.left = Math.max(0, Math.min(room - wide, middle > room / 2 ? middle - wide - 10 : middle + 10)) + "px";
    if (isSaid) said.textContent = `${dateOf(place)}: ${texts.join(", ")}`;
  };

  for (const chart of charts) {
    let from = null;
    chart.figure.addEventListener("pointerdown", event => {
      if (event.pointerType === "mouse" && event.button === 0) {
        from = event.clientX;
        chart.figure.setPointerCapture(event.pointerId);
        event.preventDefault();
        chart.figure.focus({preventScroll: true, focusVisible: false});
      }
      read(chart, placeAt(chart, event.clientX));
    });
    chart.figure.addEventListener("pointermove", event => {
      read(chart, placeAt(chart, event.clientX));
      if (from === null) return;
      const edge = chart.figure.getBoundingClientRect().left;
      chart.chosen.hidden = Math.abs(event.clientX - from) < 8;
      chart.chosen.style.left = Math.min(from, event.clientX) - edge + "px";
      chart.chosen.style.width = Math.abs(event.clientX - from) + "px";
    });
    const endDrag = event => {
      const isWide = from !== null && Math.abs(event.clientX - from) >= 8 && event.type === "pointerup";
      const bounds = isWide ? [placeAt(chart, from), placeAt(chart, event.clientX)].sort((a, b) => a - b) : null;
      from = null;
      chart.chosen.hidden = true;
      if (bounds) show(...bounds);
    };
    chart.figure.addEventListener("pointerup", endDrag);
    chart.figure.addEventListener("pointercancel", endDrag);
    chart.figure.addEventListener("pointerleave", () => { if (from === null) hide(); });
    chart.figure.addEventListener("dblclick", () => show(0, end));
    chart.figure.addEventListener("blur", hide);
    chart.figure.addEventListener("keydown", event => {
      const far = event.shiftKey ? 20 : 1, middle = Math.min(Math.max(at, view[0]), view[1]);
      const moves = {ArrowLeft: middle - far, ArrowRight: middle + far, Home: view[0], End: view[1]};
      const wide = view[1] - view[0];
      if (event.key in moves) read(chart, Math.min(view[1], Math.max(view[0], moves[event.key])), true);
      else if (event.key === "+" || event.key === "=") {
        const start = Math.round(middle - (middle - view[0]) / 2);
        show(start, start + Math.max(FEWEST, Math.round(wide / 2)));
      } else if (event.key === "-") {
        const start = Math.max(0, Math.round(view[0] - wide / 2));
        show(start, Math.min(end, start + 2 * wide));
      } else if (event.key === "Escape" || event.key === "0") show(0, end);
      else return;
      event.preventDefault();
    });
  }

  const years = (times[end] - times[0]) / (365.25 * DAY);
  const choices = [["3 months", .25], ["6 months", .5], ["1 year", 1], ["3 years", 3], ["5 years", 5], ["10 years", 10]];
  for (const [text, back] of [...choices.filter(choice => choice[1] < years), ["All", years]]) {
    const start = text === "All" ? 0 : times.findIndex(time => time >= times[end] - back * 365.25 * DAY);
    const button = make("button", {type: "button", "aria-pressed": String(text === "All")}, text);
    button.addEventListener("click", () => show(start, end));
    buttons.push([button, start]);
    tools.append(button);
  }
  span.textContent = `${dateOf(0)} to ${dateOf(end)}`;
  tools.append(span, said, make("span", {class: "help"}, "Drag to zoom, double-click to show all"));
  figures[0].closest("section").before(tools);
};

const block = document.getElementById("numbers"), figures = [...document.querySelectorAll("figure.chart")];
if (block && figures.length) startCharts(block, figures);
})();
