"""cgroup v2: group, limits, stats."""
