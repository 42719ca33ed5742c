"""The report's style sheet and its few lines of script; everything works offline and in both themes."""

STYLE = """
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #ffffff; --ink: #22262b; --soft: #6a727d;
  --rule: #e2e4e7; --accent: #2f6fdb; --warm: #c9701a; --good: #22935a; --bad: #c8442f;
  --sans: "Inter", "Helvetica Neue", "Segoe UI", system-ui, -apple-system, sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1b1f25; --ink: #e4e7eb;
  --soft: #98a1ad; --rule: #2e343c; --accent: #6ea0ff; --warm: #f0a04b; --good: #4cc98a; --bad: #ff7a63; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 var(--sans);
  font-variant-numeric: tabular-nums; }
main { max-width: 1060px; margin: 0 auto; padding: 48px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 4px; }
h2 { font-size: 18px; letter-spacing: -0.01em; margin: 56px 0 14px; }
p { margin: 0 0 12px; max-width: 72ch; }
.soft { color: var(--soft); }
.hero { display: grid; grid-template-columns: 300px 1fr; gap: 40px; align-items: center; margin-top: 32px; }
.rate { font-size: 76px; font-weight: 650; letter-spacing: -0.04em; line-height: 1; }
.rate small { font-size: 34px; font-weight: 500; }
.bar { position: relative; height: 12px; border-radius: 6px; background: var(--rule); margin: 30px 0 8px; }
.bar .fill { position: absolute; inset: 0 auto 0 0; border-radius: 6px; background: var(--good); }
.bar .interval { position: absolute; top: -7px; height: 26px; border: solid var(--ink); border-width: 0 2px; }
.bar .interval::after { content: ""; position: absolute; inset: 12px 0 auto;
  border-top: 2px solid var(--ink); }
.axis { display: flex; justify-content: space-between; font-size: 12px; color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 1px;
  margin-top: 36px; background: var(--rule); border: 1px solid var(--rule);
  border-radius: 10px; overflow: hidden; }
.tile { background: var(--card); padding: 14px 18px; }
.tile b { display: block; font-size: 24px; font-weight: 600; letter-spacing: -0.02em; }
.tile span { font-size: 13px; color: var(--soft); }
.films { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr));
  gap: 24px 20px; }
figure { margin: 0; }
video { width: 100%; display: block; border-radius: 8px; background: #111418; }
figcaption { font-size: 13px; margin-top: 6px; display: flex; gap: 8px; align-items: baseline; }
figcaption .soft { margin-left: auto; }
.verdict { font-weight: 600; } .success { color: var(--good); } .timeout, .fault { color: var(--bad); }
.beads { display: flex; flex-wrap: wrap; gap: 5px; margin-bottom: 18px; }
.beads a { width: 22px; height: 22px; border-radius: 5px; background: var(--bad); }
.beads a.success { background: var(--good); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: right; font-weight: 500; color: var(--soft); font-size: 12.5px; padding: 6px 10px; }
td { text-align: right; padding: 6px 10px; border-top: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th.left, td.left { text-align: left; }
tr:target td { background: color-mix(in srgb, var(--accent) 14%, transparent); }
td .span { display: inline-block; height: 6px; border-radius: 3px; vertical-align: middle; min-width: 2px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(360px, 1fr)); gap: 28px; }
.chart svg { width: 100%; height: auto; display: block; }
.chart p { font-size: 13px; margin: 4px 0 0; }
.stages { display: grid; grid-template-columns: max-content 1fr max-content; gap: 8px 16px;
  align-items: center; font-size: 14px; max-width: 760px; }
.stages i { height: 10px; border-radius: 5px; background: var(--accent); display: block; min-width: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; font-size: 14px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font-family: var(--mono); font-size: 0.92em; }
@media (max-width: 720px) { .hero { grid-template-columns: 1fr; gap: 20px; } 
  .pair { grid-template-columns: 1fr; } main { padding-top: 28px; } }
@media print { video { display: none; } }
"""

# Films play while they are on the screen, unless the reader asked for less motion.
SCRIPT = """
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
  const watch = new IntersectionObserver(seen => seen.forEach(e =>
    e.isIntersecting ? e.target.play().catch(() => {}) : e.target.pause()), {threshold: 0.6});
  document.querySelectorAll("video").forEach(v => watch.observe(v));
}
"""
