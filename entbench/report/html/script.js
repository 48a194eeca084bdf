(() => {
  "use strict";
  document.documentElement.classList.add("js");
  const SHORT = 100;
  const CHOICES = ["estimator", "source"];
  const MOST_CHOICES = 500;
  const order = new Intl.Collator("en", { numeric: true });
  const NUMBER = /^[<>≤≥~]?\s*\[?([-+−]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)/i;
  const POWER = /^e\^(-?\d+)/;

  const make = (tag, fields = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), fields);
    made.append(...children);
    return made;
  };

  // numbers, then words such as "vacuous", then what is empty
  const asNumber = (text) => {
    const found = NUMBER.exec(text);
    if (found) return [0, Number(found[1].replace("−", "-"))];
    if (/^[-+−]?inf/.test(text)) return [0, /^[-−]/.test(text) ? -Infinity : Infinity];
    if (POWER.test(text)) {
      const power = Number(POWER.exec(text)[1]);
      return [0, power < 690 ? Math.exp(power) : 1e300 * power];
    }
    if (text === "at reference floor") return [0, 0];
    return [1, text];
  };
  const empty = (text) => text === "" || text === "-";
  const compare = (a, b) => {
    if (a[0] !== b[0]) return a[0] - b[0];
    return a[0] === 0 ? a[1] - b[1] || 0 : order.compare(a[1], b[1]);
  };

  const equip = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    const left = Number(table.dataset.left);
    const first = table.tBodies[0];
    const more = table.tBodies[1] || table.appendChild(make("tbody", { className: "more" }));
    const rows = [...first.rows, ...more.rows];
    const short = rows.length > 2 * SHORT ? SHORT : rows.length;
    let matching = rows;
    let sorted = { column: -1, down: false };
    const texts = new Map();

    const column = (index) => {
      if (!texts.has(index)) {
        texts.set(index, rows.map((row) => (row.cells[index]?.textContent ?? "").trim()));
      }
      return texts.get(index);
    };
    const place = new Map(rows.map((row, index) => [row, index]));

    const show = (said = "") => {
      let listed = matching;
      if (sorted.column >= 0) {
        const values = column(sorted.column);
        const words = sorted.column < left;
        const keyed = matching.map((row) => {
          const text = values[place.get(row)];
          return { row, none: empty(text), key: words ? [1, text] : asNumber(text) };
        });
        const sign = sorted.down ? -1 : 1;
        keyed.sort((a, b) => a.none - b.none || (a.none ? 0 : sign * compare(a.key, b.key)));
        listed = keyed.map((each) => each.row);
      }
      const parts = [listed.slice(0, short), listed.slice(short)];
      [first, more].forEach((body, i) => {
        const fragment = document.createDocumentFragment();
        parts[i].forEach((row) => fragment.append(row));
        body.replaceChildren(fragment);
      });
      count(said);
    };

    let output = null;
    let button = null;
    const count = (said) => {
      if (!output) return;
      const hidden = table.classList.contains("all") ? 0 : Math.max(0, matching.length - short);
      const found = matching.length === rows.length
        ? `${rows.length} rows` : `${matching.length} of ${rows.length} rows`;
      output.textContent = `${said}${found}${hidden ? `, ${short} shown` : ""}`;
      button.hidden = short === rows.length;
      button.textContent = table.classList.contains("all")
        ? `Show ${short} only` : `Show all ${matching.length}`;
    };

    heads.forEach((head, index) => {
      const name = head.textContent;
      if (!name.trim()) return;
      const sorter = make("button", { type: "button" }, name);
      head.replaceChildren(sorter);
      sorter.addEventListener("click", () => {
        const same = sorted.column === index;
        if (same && sorted.down) sorted = { column: -1, down: false };
        else sorted = { column: index, down: same };
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        const way = sorted.down ? "descending" : "ascending";
        if (sorted.column >= 0) head.setAttribute("aria-sort", way);
        show(sorted.column >= 0 ? `sorted by ${name}, ${way}; ` : "in the order of the run; ");
      });
    });

    if (rows.length < 9) return;
    const tools = make("div", { className: "tools" });
    const box = make("input", { type: "search", autocomplete: "off", spellcheck: false });
    const choices = [];
    const filter = () => {
      const wanted = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (wanted.length && !texts.has("all")) {
        texts.set("all", rows.map((row) =>
          [...row.cells].map((cell) => cell.textContent).join("\u0001").toLowerCase()));
      }
      matching = rows.filter((row, i) =>
        wanted.every((word) => texts.get("all")[i].includes(word)) &&
        choices.every((each) => !each.box.value || each.values[i] === each.box.value));
      show();
    };
    box.addEventListener("input", filter);
    tools.append(make("label", {}, "Rows with", box));
    heads.forEach((head, index) => {
      const name = head.textContent;
      if (!CHOICES.includes(name)) return;
      const values = column(index).map((text) => text.replace(/ ✗ \d+\/\d+$/, ""));
      const different = [...new Set(values)];
      if (different.length < 2 || different.length > MOST_CHOICES) return;
      const select = make("select", {}, make("option", { value: "" }, "all"));
      different.forEach((value) => select.append(make("option", { value }, value)));
      select.addEventListener("change", filter);
      choices.push({ box: select, values });
      tools.append(make("label", {}, name, select));
    });
    output = make("output");
    button = make("button", { type: "button" });
    button.addEventListener("click", () => { table.classList.toggle("all"); count(""); });
    tools.append(output, button);
    count("");
    table.closest(".box").before(tools);
  };

  const tip = make("div", { className: "tip", hidden: true });
  tip.setAttribute("role", "tooltip");
  const live = make("div", { className: "unseen" });
  live.setAttribute("aria-live", "polite");
  let marked = null;

  const told = (circle) => {
    const title = circle.querySelector("title");
    if (title) {
      // else the browser's own tooltip would come on top of this one
      circle.dataset.told = title.textContent;
      title.remove();
    }
    return circle.dataset.told;
  };
  const hide = () => {
    tip.hidden = true;
    marked?.classList.remove("on");
    marked = null;
  };
  const tell = (circle) => {
    hide();
    marked = circle;
    circle.classList.add("on");
    tip.textContent = told(circle);
    tip.hidden = false;
    const at = circle.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const x = Math.min(at.right + 8, innerWidth - size.width - 8);
    const y = at.top - size.height - 8 < 0 ? at.bottom + 8 : at.top - size.height - 8;
    tip.style.left = `${Math.max(8, x)}px`;
    tip.style.top = `${y}px`;
  };
  const walk = (svg) => {
    const circles = [...svg.querySelectorAll(".hits circle")];
    if (!circles.length) return;
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
      const now = circles.indexOf(marked);
      let next = null;
      if (event.key in steps) next = now < 0 ? 0 : now + steps[event.key];
      if (event.key === "Home") next = 0;
      if (event.key === "End") next = circles.length - 1;
      if (next === null || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const circle = circles[Math.min(Math.max(next, 0), circles.length - 1)];
      circle.scrollIntoView({ block: "nearest", inline: "nearest" });
      tell(circle);
      live.textContent = tip.textContent;
    });
    svg.addEventListener("blur", hide);
  };

  const copying = (pre) => {
    const text = pre.textContent;
    const button = make("button", { type: "button", className: "copy" }, "Copy");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        getSelection().selectAllChildren(pre);
        document.execCommand("copy");
      }
      button.textContent = live.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    pre.after(button);
  };

  addEventListener("DOMContentLoaded", () => {
    document.body.append(tip, live);
    document.querySelectorAll("main table:not(.plain)").forEach(equip);
    document.querySelectorAll("svg.figure").forEach(walk);
    document.querySelectorAll("pre").forEach(copying);
    document.addEventListener("pointerover", (event) => {
      const circle = event.target.closest?.(".hits circle");
      if (circle) tell(circle);
      else if (marked && !marked.ownerSVGElement.matches(":focus")) hide();
    });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    addEventListener("scroll", () => { if (marked) tell(marked); },
      { passive: true, capture: true });
  });
})();
