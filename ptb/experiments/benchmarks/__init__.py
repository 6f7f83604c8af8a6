"""Words per second of every path and every peer, measured side by side in one run.

`sides` are the programs that are compared, each in a process of its own (`worker`); `race` takes
turns among them; `report` makes the table and the chart.
"""
