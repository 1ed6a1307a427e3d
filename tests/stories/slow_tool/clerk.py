"""A tool that takes longer than its process lives."""

import asyncio

from conversation.public import ToolParams


async def book_table(params: ToolParams, guests: int) -> str:
    """Book a table.

    Args:
        guests: For how many.
    """
    await asyncio.sleep(10)
    return f"A table for {guests} is booked."
