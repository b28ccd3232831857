import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        text = f"{os.environ['GREETING']} {self.path} {version('greeter')} {os.getuid()}\n"
        self.wfile.write(text.encode())


HTTPServer(("127.0.0.1", 5000), Greeter).serve_forever()
