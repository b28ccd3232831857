"""What users of the library do: programs that the tests run with each of its faces.

They are written for crun_py.aio; for crun_py itself tools/blocking.py takes their async and await
away, as it does with the library's own code.  Each function is given an engine whose store holds
busybox and nothing else, and cleans up behind it.
"""
