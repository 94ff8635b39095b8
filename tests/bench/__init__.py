"""What mlbd reaches, beside what it is to reach: `python -m tests.bench [NAME...]`, or `make bench`.

Real daemons in network namespaces (tests/lab.py), real files, clocks of the kernel where frames are concerned. Where a
rival can be had it is measured in the same run, because machines are noisy and ratios are not.
"""
