(() => {
  "use strict";
  const root = document.documentElement;
  const fail = (what) => { root.dataset.error = `${root.dataset.error ? `${root.dataset.error}; ` : ""}${what}`; };
  window.addEventListener("error", (event) => fail(event.message));
  window.addEventListener("unhandledrejection", (event) => fail(String(event.reason)));

  const DATA = JSON.parse(document.getElementById("data").textContent);
  const FILTERS = { kinds: "kind", weights: "weight_width", activations: "activation_width" };
  const SHAPES = {
    integer: '<circle cx="7" cy="7" r="5" fill="#0072b2"/>',
    minifloat: '<path d="M7 1L12 7L7 13L2 7Z" fill="#d55e00"/>',
    mixed: '<path d="M7 2L13 12L1 12Z" fill="#009e73"/>',
    table: '<path d="M3 3H11V11H3Z" fill="#cc79a7"/>',
    trained: '<path d="M7 12L1 2L13 2Z" fill="#e69f00"/>',
  };
  const EVERY_COLUMN = [
    ["weight", "weights"], ["activation", "activations"], ["kind", "kind"], ["accuracy", "accuracy", "accuracy_text"],
    ["share", "of float32's", "share_text"], ["luts", "LUTs"], ["luts_with_requantizer", "with requantizer"], ["network_luts", "LUTs of the network"], ["ram_bits", "bits of RAM"], ["fmax_mhz", "Fmax MHz"],
    ["bits", "bits moved"], ["standing_luts", "beside the front (LUTs)"], ["standing_network_luts", "beside the front (LUTs of the network)"], ["scheme", "quantized with"],
    ["evidence", "measured by"],
  ];
  // a column that no row of the page has a value in is not shown
  const isPriced = (name) => DATA.price_columns.includes(name);
  const hasValues = (name) => !isPriced(name) || Object.values(DATA.views).some((view) =>
    Object.values(view.prices).some((rows) => rows.some((row) => row[DATA.price_columns.indexOf(name)] !== null)));
  const COLUMNS = EVERY_COLUMN.filter(([name]) => hasValues(name));
  const NUMBERS = new Set(["accuracy", "share", "luts", "luts_with_requantizer", "network_luts", "ram_bits", "fmax_mhz", "bits"]);
  const $ = (id) => document.getElementById(id);
  const distinct = (values) => [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const charts = {};
  let sorting = { column: "accuracy", ascending: false };
  let state = {};

  const rowsOf = (network, family) => {
    const view = DATA.views[network];
    const prices = view.prices[family];
    return view.rows.map((values, number) => {
      const row = Object.fromEntries(DATA.columns.map((name, column) => [name, values[column]]));
      DATA.price_columns.forEach((name, column) => { row[name] = prices[number][column]; });
      row.share = row.float32 ? row.accuracy / row.float32 : null;
      return row;
    });
  };
  const ALL = Object.values(DATA.views).flatMap((view) => view.rows)
    .map((values) => Object.fromEntries(DATA.columns.map((name, column) => [name, values[column]])));
  const CHOICES = Object.fromEntries(Object.entries(FILTERS).map(([id, field]) => [id, distinct(ALL.map((row) => row[field]))]));

  const fallback = () => ({
    network: Object.keys(DATA.views)[0], family: DATA.families[0], scheme: "", least: "0",
    ...Object.fromEntries(Object.entries(CHOICES).map(([id, choices]) => [id, [...choices]])),
  });

  // An address like #network=vit&family=ice40&kind=integer,minifloat&width=4,5 opens that view; what is unknown is passed over.
  const fromAddress = () => {
    const found = fallback();
    const given = new URLSearchParams(location.hash.slice(1));
    const one = (name, known) => { if (known.includes(given.get(name))) found[name] = given.get(name); };
    one("network", Object.keys(DATA.views));
    one("family", DATA.families);
    one("scheme", schemesOf(found.network));
    one("least", [...$("least").options].map((option) => option.value));
    const many = (name, id) => {
      if (!given.has(name)) return;
      const wanted = given.get(name).split(",");
      found[id] = CHOICES[id].filter((choice) => wanted.includes(String(choice)));
    };
    many("kind", "kinds");
    many("width", "weights");
    many("width", "activations");
    many("weight", "weights");
    many("activation", "activations");
    return found;
  };
  const toAddress = (wanted) => {
    const given = new URLSearchParams({ network: wanted.network, family: wanted.family });
    if (wanted.scheme) given.set("scheme", wanted.scheme);
    if (wanted.least !== "0") given.set("least", wanted.least);
    for (const [id, name] of [["kinds", "kind"], ["weights", "weight"], ["activations", "activation"]]) {
      if (wanted[id].length < CHOICES[id].length) given.set(name, wanted[id].join(","));
    }
    return `#${String(given).replaceAll("%2C", ",")}`;
  };
  const schemesOf = (network) => distinct(DATA.views[network].rows.map((values) => values[DATA.columns.indexOf("scheme")]));

  const options = (select, pairs) => {
    select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
  };
  const boxes = (id) => {
    $(id).append(...CHOICES[id].map((choice) => {
      const label = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type: "checkbox", value: String(choice) });
      label.append(box);
      if (SHAPES[choice]) {
        const holder = document.createElement("span");
        holder.innerHTML = `<svg viewBox="0 0 14 14" aria-hidden="true">${SHAPES[choice]}</svg>`;
        label.append(holder.firstChild);
      }
      label.append(String(choice));
      return label;
    }));
  };
  const showControls = () => {
    options($("scheme"), [["", "any way"], ...schemesOf(state.network).map((scheme) => [scheme, scheme])]);
    for (const name of ["network", "family", "scheme", "least"]) $(name).value = state[name];
    for (const id of Object.keys(FILTERS)) {
      for (const box of $(id).querySelectorAll("input")) box.checked = state[id].map(String).includes(box.value);
    }
  };
  const readControls = () => {
    const wanted = { ...state };
    for (const name of ["network", "family", "scheme", "least"]) wanted[name] = $(name).value;
    if (!schemesOf(wanted.network).includes(wanted.scheme)) wanted.scheme = "";
    for (const id of Object.keys(FILTERS)) {
      const checked = new Set([...$(id).querySelectorAll("input:checked")].map((box) => box.value));
      wanted[id] = CHOICES[id].filter((choice) => checked.has(String(choice)));
    }
    return wanted;
  };

  const left = (rows) => rows.filter((row) =>
    Object.entries(FILTERS).every(([id, field]) => state[id].includes(row[field]))
    && (!state.scheme || row.scheme === state.scheme)
    && !(row.float32 && row.accuracy < Number(state.least) * row.float32));

  const cell = (row, [name, , text]) => {
    const data = document.createElement("td");
    const value = row[text || name];
    data.textContent = value === null || value === undefined ? "" : typeof value === "number" ? value.toLocaleString("en") : value;
    if (NUMBERS.has(name)) data.className = "number";
    return data;
  };
  const showTable = (rows) => {
    const direction = sorting.ascending ? 1 : -1;
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [a[sorting.column], b[sorting.column]];
      if (x === null || y === null) return (x === null) - (y === null);
      return x < y ? -direction : x > y ? direction : 0;
    });
    $("table").tBodies[0].replaceChildren(...sorted.map((row) => {
      const line = document.createElement("tr");
      line.append(...COLUMNS.map((column) => cell(row, column)));
      return line;
    }));
    for (const heading of $("table").querySelectorAll("th")) {
      const mine = heading.dataset.column === sorting.column;
      heading.setAttribute("aria-sort", mine ? (sorting.ascending ? "ascending" : "descending") : "none");
    }
  };
  const headings = () => {
    const line = document.createElement("tr");
    line.append(...COLUMNS.map(([name, title]) => {
      const heading = document.createElement("th");
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: title });
      heading.dataset.column = name;
      heading.scope = "col";
      if (NUMBERS.has(name)) heading.className = "number";
      button.addEventListener("click", () => {
        sorting = { column: name, ascending: sorting.column === name ? !sorting.ascending : !NUMBERS.has(name) };
        showTable(left(rowsOf(state.network, state.family)));
      });
      heading.append(button);
      return heading;
    }));
    $("table").tHead.replaceChildren(line);
  };

  const draw = async () => {
    const rows = rowsOf(state.network, state.family);
    for (const [axis, chart] of Object.entries(charts)) {
      const place = $(`chart_${axis}`).parentElement;
      place.hidden = rows.every((row) => row[axis] === null);
      // a chart writes into its rows, so each has its own
      chart.data(DATA.name, rows.map((row) => ({ ...row })));
      for (const id of Object.keys(FILTERS)) chart.signal(id, state[id]);
      chart.signal("scheme", state.scheme || null);
      chart.signal("least", Number(state.least));
      await chart.runAsync();
    }
    const shown = left(rows);
    for (const place of document.querySelectorAll(".metric")) place.textContent = DATA.views[state.network].metric;
    $("count").textContent = `${DATA.views[state.network].title} on ${state.family}: ${shown.length} of ${rows.length} points`;
    showTable(shown);
    root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
  };
  const apply = async () => {
    const address = location.hash.slice(1);
    if (address && !address.includes("=") && root.dataset.drawn) return; // a link within the page
    state = fromAddress();
    showControls();
    await draw();
  };

  // Vega tells of a point that a pointer moves over. A finger does not move, and is thicker than a point.
  const REACH = 24;
  const tap = (event) => {
    const { clientX, clientY } = event.changedTouches[0];
    const distance = (box) => Math.hypot(box.left + box.width / 2 - clientX, box.top + box.height / 2 - clientY);
    const [nearest] = [...event.currentTarget.querySelectorAll(".mark-symbol path")]
      .filter((path) => path.__data__?.tooltip)
      .map((path) => ({ path, far: distance(path.getBoundingClientRect()) }))
      .filter(({ far }) => far <= REACH)
      .sort((a, b) => a.far - b.far);
    nearest?.path.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX, clientY }));
  };

  const start = async () => {
    options($("network"), Object.entries(DATA.views).map(([name, view]) => [name, view.title]));
    options($("family"), DATA.families.map((name) => [name, name]));
    Object.keys(FILTERS).forEach(boxes);
    headings();
    const settings = {
      mode: "vega-lite", renderer: "svg", logLevel: 1, // errors: a chart that is filtered empty is none
      actions: { export: true, source: false, compiled: false, editor: false },
    };
    for (const [axis, description] of Object.entries(DATA.charts)) {
      const filled = { ...description, datasets: { [DATA.name]: rowsOf(fallback().network, fallback().family) } };
      const embedded = await vegaEmbed(`#chart_${axis}`, filled, { ...settings, downloadFileName: `fewbit_${axis}` });
      charts[axis] = embedded.view;
      $(`chart_${axis}`).addEventListener("touchend", tap);
    }
    $("controls").addEventListener("change", () => { location.hash = toAddress(readControls()); });
    $("controls").addEventListener("submit", (event) => event.preventDefault());
    $("all").addEventListener("click", () => {
      location.hash = toAddress({ ...fallback(), network: state.network, family: state.family });
    });
    window.addEventListener("hashchange", () => apply().catch((error) => fail(String(error))));
    await apply();
  };
  start().catch((error) => { fail(String(error)); throw error; });
})();
