"""A company's own service, for the intake to ask: `GET /accounts/NUMBER` answers who has it, or 404.

python examples/intake/accounts_service.py 8099
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCOUNTS = {"20417": "Ann Lee"}


class Accounts(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        """Look the account up that the path names."""
        name = ACCOUNTS.get(self.path.removeprefix("/accounts/"))
        body = json.dumps({"name": name} if name else {"error": "no such account"}).encode()
        self.send_response(200 if name else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: account numbers are in the paths."""


def begin(port: int = 0) -> str:
    """Serve in a thread; returns the address.

    Args:
        port: 0 for any free one.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), Accounts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


if __name__ == "__main__":
    print(begin(int(sys.argv[1]) if sys.argv[1:] else 8099))
    threading.Event().wait()
