"""What containers use, from where it is measured, and what requests are enough for it.

It may import `env.kube` and the words of `env`. To be read in this order:

usage.py       what is known of each container's use, and what is not
containers.py  the containers of objects, and what they request
enough.py      the rule: what requests are enough, what is too little and too much
killed.py      containers that were OOM-killed
autoscaled.py  workloads that an autoscaler scales by their use
demand.py      use as the annotation of pod templates, read and written
series.py      use over time: samples of a container's pods, and their use by the rule
owners.py      which workload a pod is of
series_names.py, series_gather.py
               which container a series in a file is about; its samples, in any order, to series
series_csv.py, range_answer.py
               samples as CSV, and what a Prometheus answered to `query_range`
usage_file.py  use from a file: which of these it is, or one row a container
recommenders.py
               our rule, VPA's and KRR's as functions of a series, to compare
metrics_api.py use by the metrics API
measured.py    from measurements of pods to the use of workloads
prometheus_answer.py, prometheus_http.py, prometheus_queries.py, prometheus_reading.py, prometheus.py
               use from a Prometheus: its answers, requests, queries, a range of it, all together
"""
