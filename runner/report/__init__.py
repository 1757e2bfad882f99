"""Reports: one self-contained HTML page of trainings, of a benchmark, of an evaluation or of a federation.

May import `runner.benchmark`, `runner.evaluation`, `runner.training` and `env`. Reading order: `page.py` (what a page
holds: plain data), `html.py` (a page as one file; `page.css` and `page.js` are written into it) with `cells.py` (values
as text) and `library.py` (the chart library, of the installed package plotly). Then what builds pages: `runs.py` of
trainings (`run_data.py` reads a folder, `windows.py` makes few points of many, `run_charts.py` and `run_tables.py` are
its parts), `benchmark.py` (`benchmark_kinds.py` has what is each environment's own), `evaluation.py`, with
`documents.py` (files, read within bounds), `bars.py` (estimates as bars) and `made.py` (a page's last line).
"""
