// Puts events on the page as they come. Whatever a sender wrote goes in as text, never as markup.
"use strict";
(() => {
  const list = document.getElementById("list");
  const state = document.getElementById("state");
  const pause = document.getElementById("pause");
  const none = document.getElementById("none");
  if (!list || !window.EventSource) return;

  const ROWS_MAX = 200;      // lines on the page, and events that wait for it
  const PER_FRAME = 40;      // lines made between two paintings: 5,000 events a second must not freeze the page
  const JSON_CHARS_MAX = 4000;
  let waiting = [];          // newest last
  let skipped = 0;
  let paused = false;
  let drawing = false;

  const say = (text) => { if (state.textContent !== text) state.textContent = text; };
  const tell = () => {
    const more = skipped > 0 ? `, ${skipped} passed too fast to show` : "";
    say(paused ? `Paused, ${waiting.length} waiting${more}` : `Live${more}`);
  };

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined && text !== null) made.textContent = String(text);
    return made;
  };

  const line = (seen) => {
    const event = seen.event || {};
    const name = typeof event.event === "string" ? event.event : typeof event.name === "string" ? event.name : "";
    const item = element("li", `${seen.outcome} new`);
    const details = element("details");
    const summary = element("summary");
    const time = element("time", "", String(seen.receivedAt).slice(11, 23));
    time.dateTime = seen.receivedAt;
    const note = seen.firstPosition !== null ? `of ${seen.firstPosition}` : seen.reason;
    summary.append(
      time,
      element("span", "outcome", seen.outcome),
      element("span", "call", event.type),
      element("span", "name", name),
      element("span", "quiet", note),
      element("span", "source", seen.sourceSlug),
    );
    details.append(summary, element("p", "quiet", `Position ${seen.position}, received ${seen.receivedAt}`));
    if (seen.raw) details.append(element("pre", "", seen.raw));
    item.append(details);
    return item;
  };

  // The event's own JSON as it was sent, without another spelling of its numbers: it is the last member of the data.
  const rawOf = (data) => {
    const at = data.indexOf(',"event":');
    const raw = at < 0 ? "" : data.slice(at + 9, -1);
    return raw === "null" ? "" : raw.length > JSON_CHARS_MAX ? `${raw.slice(0, JSON_CHARS_MAX)}…` : raw;
  };

  const draw = () => {
    drawing = false;
    if (paused) return tell();
    const batch = waiting.splice(0, PER_FRAME);
    for (const data of batch) {
      let seen;
      try { seen = JSON.parse(data); } catch { continue; }
      seen.raw = rawOf(data);
      list.prepend(line(seen));
    }
    while (list.children.length > ROWS_MAX) list.lastElementChild.remove();
    if (list.children.length > 0) none.hidden = true;
    tell();
    if (waiting.length > 0) ask();
  };
  const ask = () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(draw);
  };

  const source = new EventSource(`/live?from=${encodeURIComponent(list.dataset.from)}`);
  source.addEventListener("open", tell);
  source.addEventListener("decided", (message) => {
    waiting.push(message.data);
    if (waiting.length > ROWS_MAX) {
      skipped += waiting.length - ROWS_MAX;
      waiting = waiting.slice(-ROWS_MAX);
    }
    ask();
  });
  source.addEventListener("missed", (message) => {
    try { skipped += JSON.parse(message.data).missed; } catch { /* the count only */ }
    tell();
  });
  source.addEventListener("error", () => {
    say(source.readyState === EventSource.CLOSED ? "Not connected: reload the page, or sign in again" : "Connecting again…");
  });

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    tell();
    if (!paused) ask();
  });
})();
