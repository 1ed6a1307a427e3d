// What the console's pages do besides showing what the server has made. Without it they work, too.
"use strict";

// Times into the reader's own zone
const STYLES = {
  moment: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  time: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "short", year: "numeric" },
};

function localTimes(root) {
  for (const one of root.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(one.dateTime);
    if (isNaN(at)) continue;
    one.title = one.dateTime;
    one.textContent = at.toLocaleString(undefined, { ...STYLES[one.dataset.style], hourCycle: "h23" });
  }
}

localTimes(document);
