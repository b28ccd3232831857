"""A script for a machine whose kernel has other calls for the same: the streams are in their jail
there, and nothing that they need is refused."""

STREAMS = """
crunpy run -d --name a -it --network none --log-opt max-size=10k --log-opt max-file=2 busybox \\
    sh -c 'seq 5000; echo end; exec sleep 1000' > /dev/null
until crunpy logs a | grep -q end; do sleep 0.2; done
monitor=$(crunpy inspect -f '{{.State.ConmonPid}}' a)
for pid in $(cat /proc/$monitor/task/$monitor/children); do
    grep -q streams /proc/$pid/comm || continue
    grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/$pid/status
done
ls $CRUNPY_ROOT/containers/*/container.log* | wc -l
crunpy exec a echo inside
crunpy kill a > /dev/null
crunpy wait a
dd if=/dev/zero bs=1M count=20 2>/dev/null | crunpy run -i --rm --network none busybox wc -c
crunpy run --rm --network none busybox sh -c 'echo on; exit 3' || echo $?
"""
STREAMS_EXPECTED = [
    "CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", "2", "inside", "137",
    str(20 << 20), "on", "3",
]  # fmt: skip
