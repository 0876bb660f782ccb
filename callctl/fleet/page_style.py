"""How the HTML report looks, by day and by night."""

from __future__ import annotations

from typing import Final

STYLE: Final = """\
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #1b2430; --soft: #5d6b7c; --rule: #e3e7ec;
  --blue: #2563c9; --grey: #94a1b2; --red: #c8323c; --green: #1f8a4d; --amber: #b7791f;
  --violet: #7a4fc4; --shade: rgba(37, 99, 201, .10);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161c; --card: #1a2028; --ink: #e6ebf1; --soft: #93a1b3; --rule: #2a323d;
    --blue: #6ea4ff; --grey: #66748a; --red: #ff7a80; --green: #5fcf8f; --amber: #e0ac54;
    --violet: #b596f2; --shade: rgba(110, 164, 255, .14);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 64px; }
header { margin-bottom: 20px; }
h1 { font-size: 26px; line-height: 1.25; margin: 8px 0 6px; font-weight: 650; }
h2 { font-size: 17px; margin: 0 0 4px; font-weight: 650; }
p { margin: 4px 0; }
.soft { color: var(--soft); }
.pill {
  display: inline-block; padding: 2px 12px; border-radius: 99px; font-weight: 650; color: #fff;
  font-size: 13px; letter-spacing: .04em;
}
.pill.good { background: #1f8a4d; } .pill.bad { background: #c8323c; }
.warning {
  border-left: 4px solid var(--amber); background: var(--card); padding: 10px 16px;
  border-radius: 4px; margin: 12px 0;
}
section {
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: 18px 20px; margin: 16px 0;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; }
.tile {
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px;
}
.tile b { display: block; font-size: 23px; font-weight: 650; line-height: 1.3; }
.tile span { color: var(--soft); font-size: 13px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 20px; }
.small {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(310px, 1fr)); gap: 22px 26px;
}
figure { margin: 0; }
figcaption { font-size: 13px; margin-bottom: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 8px; }
th {
  text-align: right; font-weight: 600; color: var(--soft); font-size: 13px; padding: 4px 10px;
}
td { text-align: right; padding: 5px 10px; border-top: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.words { text-align: left; white-space: normal; }
td.words small { color: var(--soft); display: block; line-height: 1.3; }
tr.planned td { color: var(--soft); }
tr.whole td { font-weight: 650; } tr.whole td small { font-weight: 400; }
td svg { width: 240px; height: 18px; display: block; }
.legend { font-size: 13px; color: var(--soft); display: flex; flex-wrap: wrap; gap: 4px 18px; }
.legend i {
  display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px;
  vertical-align: middle; background: currentColor;
}
svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.base { stroke: var(--grey); stroke-width: 1; }
.grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
.line.asked { stroke-dasharray: 5 4; }
.area { fill: currentColor; opacity: .12; }
.fill { fill: currentColor; }
.bar { fill: var(--blue); opacity: .75; }
.cut { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 3 3; opacity: .6; }
.mark { stroke: var(--violet); stroke-width: 1.4; stroke-dasharray: 2 3; }
svg text.mark-text { fill: var(--violet); }
.thick { stroke: currentColor; stroke-width: 7; opacity: .55; }
.thin { stroke: currentColor; stroke-width: 2; }
.dot { fill: currentColor; }
.middle { stroke: var(--ink); stroke-width: 2; }
.blue { color: var(--blue); } .asked { color: var(--grey); } .red { color: var(--red); }
.green { color: var(--green); } .amber { color: var(--amber); } .violet { color: var(--violet); }
.faint { opacity: .45; }
.stack { display: flex; height: 22px; border-radius: 5px; overflow: hidden; margin: 10px 0 6px; }
.stack span { background: currentColor; min-width: 2px; }
details { border-top: 1px solid var(--rule); padding: 8px 0; }
details:first-of-type { border-top: 0; }
summary { cursor: pointer; }
summary b { color: var(--red); }
pre {
  overflow-x: auto; background: var(--ground); border-radius: 6px; padding: 12px; font-size: 12.5px;
  line-height: 1.45; margin: 8px 0;
}
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 8px 0 0; }
dt { color: var(--soft); } dd { margin: 0; }
footer { color: var(--soft); font-size: 13px; margin-top: 24px; }
"""
