"""How long Telnyx waits for the answer to a request over HTTP, and when it tries again.

Sources: Telnyx docs, "Webhook fundamentals" (2 s for an answer, tried again by every service, redirects count as
failures), "Voice API webhooks" (which answers are worth another attempt), TeXML callbacks (200 and nothing else), TeXML
instruction fetching (no word of another attempt, so there is none). Not documented and chosen here: the pauses.
"""

from __future__ import annotations

import math

from emulator.legs.delivery import NOT_ANSWERED, NOT_CONNECTED, Delivery

RETRIES_SECS = (0.5, 1.0, 2.0)
"""The pauses before a callback or an event is sent again."""

ANSWER_SECS = 2.0
"""How long the answer to a callback or an event may take."""

TEXML_DOCUMENT = Delivery()
TEXML_CALLBACK = Delivery(
    connect_secs=ANSWER_SECS,
    answer_secs=ANSWER_SECS,
    total_secs=math.inf,
    pauses=RETRIES_SECS,
    policy=frozenset({NOT_CONNECTED, NOT_ANSWERED, "408", "429", "5xx"}),
    redirects=0,
    accepts=(200, 200),
)
