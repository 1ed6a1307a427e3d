"""Takes what phonebot tells of calls: checks the signature, passes repetitions over, and prints a line a notice.

    WEBHOOK_SECRET=whsec_... .venv/bin/python -m examples.webhook_receiver    # then WEBHOOK_URL=http://127.0.0.1:8090/

A receiver of your own needs nothing of phonebot, only a library of Standard Webhooks (standardwebhooks.com), which
there is for most languages. docs/webhooks.md has every notice and its fields.
"""

from __future__ import annotations

import os
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

app = FastAPI()
seen: set[str] = set()
"""Ids of notices that were dealt with. Keep yours in a database, beside what you do about them."""


@app.post("/")
async def take(request: Request) -> Response:
    """Take a notice. Any answer but 2xx has it sent again later; 410 stops it."""
    body = await request.body()
    try:
        notice = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, dict(request.headers))
    except (WebhookVerificationError, ValueError):
        raise HTTPException(401, "this is not signed with our secret") from None
    if request.headers["webhook-id"] not in seen:
        deal_with(notice["type"], notice["data"])
        seen.add(request.headers["webhook-id"])
    return Response(status_code=204)


def deal_with(kind: str, data: dict[str, Any]) -> None:
    """What is to be done about a notice: here, a line. Take long work out of the request, which has 10 s."""
    if kind == "call.ended":
        print(
            f"{data['call']['id']} ended ({data['state']}, by {data['ended_by']}): {len(data['transcript'])} lines"
        )
    elif kind == "message.taken":
        print(f"{data['call']['id']} left a message of {len(data['message']['message'])} characters")
    else:
        print(f"{data['call']['id']}: {kind}")


if __name__ == "__main__":
    print("waiting for notices", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8090")), log_level="warning")
