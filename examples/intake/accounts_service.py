"""A company's own service, for the intake to ask: `GET /accounts/NUMBER` answers who has it, or 404.

PORT=8099 python accounts_service.py
"""

import json
import os
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


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8099"))), Accounts).serve_forever()
