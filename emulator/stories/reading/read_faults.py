"""What goes wrong at the carrier, as it is written in a story."""

from __future__ import annotations

from emulator.faults import ANY, Fault, MediaFault, RestFault, WebhookFault
from emulator.requests import VERBS
from emulator.stories.reading.yaml_values import Value

REST = ("status", "html", "silent", "slow", "late", "lost")
WEBHOOK = ("twice", "late", "lost", "swapped")
MEDIA = ("cut_after", "marks_lost", "marks_late", "silent_ends")


def read_faults(value: Value) -> list[Fault]:
    """Read a list of faults."""
    faults = (_fault(item) for item in value.items())
    return [fault for fault in faults if fault is not None]


def _fault(value: Value) -> Fault | None:
    kinds = ("rest", "webhook", "media")
    table = value.table((*kinds, "which", "chance", *{*REST, *WEBHOOK, *MEDIA}))
    found = [kind for kind in kinds if kind in table]
    if len(found) != 1:
        if not value.mistakes:
            value.wrong("write one of rest, webhook, media: what the fault is about")
        return None
    kind = found[0]
    known = {"rest": REST, "webhook": WEBHOOK, "media": MEDIA}[kind]
    for name, one in table.items():
        if name not in (kind, "which", "chance", *known):
            one.wrong(f"a fault of `{kind}` does not have this key; it has {', '.join(known)}")
    if not set(table) & set(known):
        value.wrong(f"nothing goes wrong here; add one of {', '.join(known)}")
    which = (
        frozenset(one.whole(1) for one in table["which"].one_or_more()) if "which" in table else frozenset()
    )
    chance = table["chance"].number() if "chance" in table else 1.0

    def secs(name: str) -> float:
        return table[name].secs() if name in table else 0.0

    def flag(name: str) -> bool:
        return name in table and table[name].flag()

    if kind == "rest":
        return RestFault(
            table["rest"].one_of((ANY, *VERBS)),
            which,
            table["status"].whole(400) if "status" in table else None,
            html=flag("html"),
            silent_secs=secs("silent") if "silent" in table else None,
            slow_secs=secs("slow"),
            late_secs=secs("late"),
            lost=flag("lost"),
            chance=chance,
        )
    if kind == "webhook":
        name = table["webhook"].text()
        return WebhookFault(name, which, flag("twice"), secs("late"), flag("lost"), flag("swapped"), chance)
    if table["media"].text() != ANY:
        which = frozenset({table["media"].whole(1)})
    cut = secs("cut_after") if "cut_after" in table else None
    silent_ends = secs("silent_ends") if "silent_ends" in table else None
    return MediaFault(which, cut, flag("marks_lost"), secs("marks_late"), silent_ends, chance)
