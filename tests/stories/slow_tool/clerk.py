"""A tool that takes longer than its process lives."""

import asyncio

from conversation.public import tool


@tool(timeout_secs=60)
async def book_table(params, guests: int):
    """Book a table.

    Args:
        guests: For how many.
    """
    await asyncio.sleep(30)
    return "The table is booked."
