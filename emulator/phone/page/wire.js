// The list of what goes over the wire. Texts of strangers are in it: they become text nodes, never markup.

const MOST_ROWS = 3000;
const BAD = new Set(["warning", "underrun", "talked_over", "fallback"]);

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** What is to be seen of a message at first sight: of a mark its name, of a key the key, else all of it. */
function point(row) {
  if (row.what !== "mark" && row.what !== "dtmf") return row.text;
  try {
    const message = JSON.parse(row.text);
    return String(message.mark?.name ?? message.dtmf?.digit ?? row.text);
  } catch {
    return row.text;
  }
}

export class Wire {
  /** `scroller` scrolls, `list` has the rows. */
  constructor(scroller, list) {
    Object.assign(this, { scroller, list });
    this.clear();
  }

  clear() {
    this.shown = new Map();  // number -> { row, item, ... }
    this.answered = 0;
    this.list.replaceChildren();
  }

  /** The call is answered: times count from here, also those of the rows that are there. */
  zero(answered) {
    this.answered = answered;
    for (const one of this.shown.values()) one.when.textContent = this.clock(one.row.t);
  }

  clock(t) {
    return (Math.round((t - this.answered) / 10) / 100 || 0).toFixed(2);  // never -0.00
  }

  /** Everything, for a file: a JSON object a line. */
  text() {
    const rows = [...this.shown.values()].map((one) => one.row).sort((a, b) => a.t - b.t);
    return rows.map((row) => JSON.stringify({ ...row, t: row.t - this.answered })).join("\n") + "\n";
  }

  add(rows) {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const follows = scrollTop + clientHeight > scrollHeight - 40;
    for (const row of rows) {
      if (row.of !== undefined) this.answer(row);
      else if (this.shown.has(row.n)) this.change(this.shown.get(row.n), row);
      else this.insert(row);
    }
    while (this.list.childElementCount > MOST_ROWS) {
      this.shown.delete(Number(this.list.firstElementChild.dataset.n));
      this.list.firstElementChild.remove();
    }
    if (follows) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  insert(row) {
    const line = row.channel === "line";
    const side = line ? "on-line" : row.to_server ? "to-server" : "to-carrier";
    const item = element("li", `${row.channel} ${side}`);
    item.dataset.n = row.n;
    if (BAD.has(row.what) && line) item.classList.add("is-bad");
    if (row.what === "fault" && line) item.classList.add("is-fault");
    const head = element(line ? "div" : "summary", "row");
    const when = element("span", "when", this.clock(row.t));
    const way = element("span", "way", line ? "·" : row.to_server ? "→" : "←");
    way.title = line ? "on the line" : row.to_server ? "carrier to server" : "server to carrier";
    way.setAttribute("role", "img");
    way.setAttribute("aria-label", way.title);
    const names = { socket: row.what, webhook: "webhook", rest: "REST", line: row.what.replaceAll("_", " ") };
    const what = element("span", "what", names[row.channel]);
    const brief = element("span", "brief", "");
    const outcome = element("span", "outcome", "");
    head.append(when, way, what, brief, outcome);
    const one = { row, item, when, brief, outcome };
    if (line) {
      item.append(head);
    } else {
      const details = element("details");
      const body = element("pre");
      details.append(head, body);
      // Made when it is looked at: there are many, and few are.
      details.addEventListener("toggle", () => {
        if (details.open) body.textContent = this.body(one.row);
      });
      item.append(details);
    }
    this.shown.set(row.n, one);
    this.change(one, row);
    let before = this.list.lastElementChild;
    while (before && this.shown.get(Number(before.dataset.n))?.row.t > row.t) before = before.previousElementSibling;
    if (before) before.after(item);
    else this.list.prepend(item);
  }

  change(one, row) {
    one.row = { ...one.row, ...row };
    one.brief.textContent = this.brief(one.row);
    one.brief.title = one.brief.textContent;
    if (row.count) one.outcome.textContent = `${(row.bytes / 1000).toFixed(1)} kB`;
  }

  answer(row) {
    const one = this.shown.get(row.of);
    if (!one) return;
    Object.assign(one.row, { status: row.status, took: row.took, answer: row.text, fault: row.fault });
    one.outcome.textContent = `${row.status || "no answer"} · ${row.took} ms`;
    one.outcome.classList.toggle("bad-text", row.status >= 400 || row.status === 0);
    if (row.fault) one.item.classList.add("is-fault");
    one.brief.textContent = this.brief(one.row);
  }

  brief(row) {
    const leg = row.leg ? `(leg …${row.leg}) ` : "";
    if (row.channel === "line") return leg + row.text;
    if (row.count) return `${leg}× ${row.count}`;
    if (row.channel === "socket") return leg + point(row);
    return `${leg}${row.what}${row.fault ? `  ⚡ ${row.fault}` : ""}`;
  }

  body(row) {
    const parts = [pretty(row.text) || "(no body)"];
    if (row.count > 1) parts[0] = `the first of ${row.count}:\n${parts[0]}`;
    if (row.status !== undefined) {
      parts.push(`answered ${row.status || "not at all"} after ${row.took} ms${row.fault ? ` (fault: ${row.fault})` : ""}`);
      if (row.answer) parts.push(pretty(row.answer));
    }
    return parts.join("\n\n");
  }
}
