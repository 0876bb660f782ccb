"use strict";
function reveal() {
  const found = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  if (!found) { return; }
  for (let at = found; at; at = at.parentElement) {
    if (at.tagName === "DETAILS") { at.open = true; }
  }
  for (const part of found.querySelectorAll(":scope > details")) { part.open = true; }
  found.scrollIntoView({ block: "start" });
  const summary = found.querySelector("summary");
  if (summary) { summary.focus({ preventScroll: true }); }
}
addEventListener("hashchange", reveal);
reveal();
