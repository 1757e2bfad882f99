"""Reports: one self-contained HTML page of a training, a benchmark, an evaluation or a federation.

May import `runner.benchmark`, `runner.evaluation`, `runner.training` and `env`. Reading order: `page.py` (what a page
holds: plain data, built by whatever knows the work), `cells.py` (a table's values as text), `library.py` (the chart
library, taken from the installed package `plotly`), `html.py` (a page as one file; `page.css` and `page.js` are written
into it).
"""
