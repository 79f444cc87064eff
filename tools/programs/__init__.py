"""The servers and tools that tests start, built once from pinned Go modules: `python tools/programs/build.py`."""
