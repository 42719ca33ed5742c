"""The look of the dataset page: light or dark as the reader's system is."""

STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --ink: #1c2430; --dim: #6b7685;
  --line: #dfe3e8; --state: #2563eb; --action: #e07b00; --bar: #7aa2f7; --good: #15803d; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) { :root { --back: #12161c; --card: #1b212a; --ink: #e6eaf0;
  --dim: #93a0b0; --line: #313a46; --state: #7db2ff; --action: #ffb454; --bar: #4a6fb5; --good: #4ade80;
  --bad: #f87171; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 24px; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 12px; font-size: 28px; }
h2 { margin: 32px 0 8px; font-size: 20px; }
h3 { margin: 0; font-size: 16px; }
p { margin: 4px 0 8px; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; }
.tiles div { flex: 1 1 110px; padding: 10px 14px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.tiles b { display: block; font-size: 20px; white-space: nowrap; }
.tiles span, .dim, .camera, figcaption { color: var(--dim); }
.tasks { margin: 14px 0 0; padding-left: 20px; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 8px; }
.plots svg { width: 100%; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
article { margin: 12px 0; padding: 14px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
article .plots svg { border: 0; }
.strip { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(64px, 1fr); gap: 4px;
  max-width: 1180px; overflow-x: auto; }
.camera { margin: 6px 0 2px; font-size: 13px; }
figure { margin: 0; }
figure img { display: block; width: 100%; border-radius: 4px; }
figcaption { font-size: 11px; text-align: center; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; background: var(--card); font-size: 14px; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--dim); font-weight: 500; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; }
td.bar { width: 40%; }
td.bar svg { width: 100%; max-width: 420px; vertical-align: middle; }
.good, .bad, .note { padding: 1px 8px; border-radius: 9px; font-size: 12px; }
.good { color: var(--card); background: var(--good); }
.bad { color: var(--card); background: var(--bad); }
.note { color: var(--dim); border: 1px solid var(--line); }
.legend span { margin-right: 12px; padding-left: 22px; position: relative; }
.legend span::before { content: ""; position: absolute; left: 0; top: 50%; width: 16px; height: 3px; }
.legend .state::before { background: var(--state); }
.legend .action::before { background: var(--action); }
polyline { fill: none; stroke-width: 1.5; }
polyline.state { stroke: var(--state); }
polyline.action { stroke: var(--action); }
rect.bar { fill: var(--bar); }
line.axis { stroke: var(--line); }
text { font: 9px system-ui, sans-serif; fill: var(--dim); }
text.title { font-size: 11px; fill: var(--ink); }
text.end { text-anchor: end; }
"""
