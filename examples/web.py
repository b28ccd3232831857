"""A server: published on a free port, waited for, asked, looked into, and gone at the end.

python examples/web.py [IMAGE]      an image whose command is nginx
"""

import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import crun_py

IMAGE = sys.argv[1] if len(sys.argv) > 1 else "nginx"

with crun_py.run(IMAGE, detach=True, ports={80: None}) as web, tempfile.TemporaryDirectory() as to:
    web.wait_until(port=80, timeout=30)
    url = f"http://127.0.0.1:{web.ports[80].host_port}/nothing"
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError as answer:
        print(answer.code, answer.headers["Server"].partition("/")[0])
    print(web.exec(["cat", "/proc/1/comm"]).stdout.decode().strip())
    web.copy_out("/etc/nginx/nginx.conf", to)
    print("http {" in (Path(to) / "nginx.conf").read_text())
    for line in web.logs(follow=True):
        if b"GET /nothing" in line:
            print("it was asked")
            break
    print(web.state, len(web.top().processes) > 1)
