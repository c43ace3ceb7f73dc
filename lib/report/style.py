"""How a report looks: on a screen by day or night, on a phone, on paper; it loads nothing."""

STYLE = """
:root{color-scheme:light dark;--ground:light-dark(#fff,#14171a);--text:light-dark(#1c2024,#e4e7ea);
--quiet:light-dark(#5c656e,#9aa4ae);--line:light-dark(#dde1e5,#30363c);--panel:light-dark(#f5f6f8,#1c2126);
--ok:light-dark(#1a7f46,#4cc38a);--partial:light-dark(#8a6100,#e2b340);--skipped:light-dark(#5c656e,#9aa4ae);
--failed:light-dark(#b42318,#ff8075)}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.5rem 1rem 4rem;background:var(--ground);color:var(--text);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
p{margin:.3rem 0}.quiet{color:var(--quiet)}.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code,pre{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}
pre{margin:.4rem 0;padding:.7rem .9rem;background:var(--panel);border:1px solid var(--line);border-radius:6px;
white-space:pre-wrap}
.verdict{border-left:6px solid var(--ok);padding:.6rem 1rem;background:var(--panel);border-radius:0 6px 6px 0;
margin:1rem 0}
.verdict.bad{border-color:var(--failed)}.verdict.open{border-color:var(--partial)}.verdict b{font-size:1.15rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));gap:.6rem;margin:1rem 0}
.facts div{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.5rem .8rem}
.facts b{display:block;font-size:1.1rem;font-variant-numeric:tabular-nums}.facts span{color:var(--quiet)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line)}
th{color:var(--quiet);font-weight:500;white-space:nowrap}td{overflow-wrap:break-word}td code{white-space:nowrap}
th.num{text-align:right}td.bar{width:34%;min-width:6rem}
.bar i{display:block;height:.8rem;margin-top:.3rem;min-width:2px;border-radius:2px;background:var(--quiet)}
.bar i.ok{background:var(--ok)}.bar i.partial{background:var(--partial)}.bar i.failed{background:var(--failed)}
@media(max-width:40rem){td.bar,th.bar{min-width:3rem;width:20%}body{padding-top:1rem}}
@media print{:root{color-scheme:light}body{max-width:none;padding:0;font-size:11px}tr,.facts div{break-inside:avoid}
.bar i{print-color-adjust:exact;-webkit-print-color-adjust:exact}.wide{overflow:visible}}
"""
