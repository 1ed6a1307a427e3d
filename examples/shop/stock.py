"""The shop's own service, which knows nothing of telephones: what is in stock, and what is kept for whom.

SHOP_KEY=sesame PORT=8010 python stock.py
"""

from __future__ import annotations

import os
import secrets
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

STOCK: dict[str, dict[int, int]] = {"runner": {41: 0, 42: 3, 43: 1}, "boot": {44: 2}}
PRICES = {"runner": "eighty dollars", "boot": "one hundred and twenty dollars"}


class Customer(BaseModel):
    """For whom something is kept."""

    name: str
    number: str


class Kept(BaseModel):
    """What is kept."""

    shoe: str
    size: int
    customer: Customer | None = None


def let_in(authorization: Annotated[str, Header()] = "") -> None:
    """Let in who has the key."""
    key = os.environ.get("SHOP_KEY", "")
    if not key or not secrets.compare_digest(authorization.encode(), f"Bearer {key}".encode()):
        raise HTTPException(401)


app = FastAPI(dependencies=[Depends(let_in)])


@app.get("/shoes/{shoe}")
def shoes(shoe: str, size: int | None = None) -> dict[str, object]:
    """How many pairs of a shoe there are, by size."""
    sizes = STOCK.get(shoe.lower())
    if sizes is None:
        raise HTTPException(404)
    shown = sizes if size is None else {size: sizes.get(size, 0)}
    return {"sizes": shown, "price": {"spoken": PRICES[shoe.lower()]}}


@app.post("/kept", status_code=201)
def keep(wanted: Kept) -> dict[str, str]:
    """Keep a pair."""
    sizes = STOCK.get(wanted.shoe.lower(), {})
    if not sizes.get(wanted.size):
        raise HTTPException(409)
    sizes[wanted.size] -= 1
    return {"kept_until": "tomorrow at six"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8010")), log_level="warning")
