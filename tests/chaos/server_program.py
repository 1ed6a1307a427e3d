"""A server for tests that starts in a moment: `server_program.py PORT CHILDREN`. It says that it is ready.

With children it is a parent of so many processes in groups of their own, one of which answers. It ignores SIGTERM if
the variable STUBBORN is set.
"""

import http.server
import os
import signal
import subprocess
import sys
import time


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


if __name__ == "__main__":
    port, children = int(sys.argv[1]), int(sys.argv[2])
    if os.environ.get("STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if children:
        started = [
            subprocess.Popen(
                [sys.executable, __file__, str(port if number == 0 else 0), "0"], process_group=0
            )
            for number in range(children)
        ]
        while True:
            time.sleep(60)  # SIGTERM ends it, and it passes nothing on
    http.server.ThreadingHTTPServer.allow_reuse_address = True
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Ready).serve_forever()
