"""What the library's two faces, crun_py and crun_py.aio, have in common: nothing in here waits."""
