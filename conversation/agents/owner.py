"""Whom the owner wants told of calls: by the settings, and by the agents' files, which may say otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calls.outbox.notices import Channel, Kind, Way
from calls.outbox.receivers import MailServer, NotDelivered, Receiver, wrong_with_secret
from conversation.agents.agent import Agent
from conversation.agents.errors import AgentError
from conversation.agents.files import agent_names, load_agent
from conversation.agents.tables import Webhooks
from settings import Settings, SettingsError, variables_named

SETTLE_SECS = 5.0
"""How long the notice of a call's end may wait for the end of its media stream, which has what was heard last."""

SUM_UP_SECS = 10.0
"""How long it may wait for a summary beyond the model's own time: another process may be at it."""


class OwnersSystems:
    """Whom to tell, as the settings and the agents' files are at that moment.

    Parameters:
        settings: What the operator configured.
    """

    def __init__(self, settings: Settings):
        self._settings = settings

    def wants(self, row: Mapping[str, Any], kind: Kind) -> Sequence[Way]:
        """See `calls.outbox.notices.Wants`."""
        agent = self._agent(row["agent"])
        webhooks = agent.webhooks if agent else Webhooks()
        sums_up = agent.after_call.timeout_secs + SUM_UP_SECS if agent and agent.after_call.is_wanted else 0.0
        patience = SETTLE_SECS + sums_up if kind is Kind.CALL_ENDED else 0.0
        ways = []
        if kind is Kind.CALL_ENDED and sums_up:
            ways.append(Way(Channel.AFTER_CALL, SETTLE_SECS))
        if kind.value in webhooks.events and (webhooks.url or self._settings.webhook_url):
            ways.append(Way(Channel.WEBHOOK, patience))
        if agent and agent.email.to and kind.value in agent.email.events:
            ways.append(Way(Channel.EMAIL, patience))
        return ways

    def receiver(self, agent: str | None) -> Receiver | None:
        """See `calls.outbox.sender.Owner`."""
        found = self._agent(agent)
        webhooks = found.webhooks if found else Webhooks()
        url = webhooks.url or self._settings.webhook_url
        if url is None:
            return None
        secret = _secret(webhooks, self._settings)
        if secret is None or wrong_with_secret(secret):
            raise NotDelivered(f"{webhooks.secret or 'WEBHOOK_SECRET'} is not set, or no secret: correct it")
        return Receiver(url, secret)

    def mailbox(self, agent: str | None) -> tuple[MailServer, Sequence[str]] | None:
        """See `calls.outbox.sender.Owner`."""
        settings, found = self._settings, self._agent(agent)
        if found is None or not found.email.to or not settings.smtp_host or not settings.smtp_from:
            return None
        password = settings.smtp_password
        server = MailServer(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_from,
            settings.smtp_user,
            password.get_secret_value() if password else None,
        )
        return server, found.email.to

    def sums_up_secs(self, agent: str | None) -> float | None:
        """See `calls.outbox.sender.Owner`."""
        found = self._agent(agent)
        return found.after_call.timeout_secs if found and found.after_call.is_wanted else None

    def _agent(self, name: str | None) -> Agent | None:
        """The agent of a call; None when its file cannot be used (any more): then the settings alone count."""
        try:
            return load_agent(name or self._settings.agent, self._settings.agents_dir)
        except AgentError:
            return None


def untellable(agent: Agent, settings: Settings) -> str | None:
    """Why the owner could not be told of an agent's calls, though that is wanted: one line with the fix."""
    file, webhooks = f"{agent.name}.toml", agent.webhooks
    if webhooks.events and (webhooks.url or settings.webhook_url):
        secret = _secret(webhooks, settings)
        if secret is None and webhooks.secret:
            return f"{file}: webhooks.secret names {webhooks.secret}, which is not set: set it in .env"
        if secret is None and webhooks.url:
            return (
                f"{file}: webhooks.url has no secret that signs: set WEBHOOK_SECRET, or name another variable in "
                "webhooks.secret"
            )
        if secret is None:
            return (
                "WEBHOOK_URL is set without WEBHOOK_SECRET, which signs what is sent: "
                '`echo "whsec_$(openssl rand -base64 32)"` makes one'
            )
        if wrong := wrong_with_secret(secret):
            return f"{webhooks.secret or 'WEBHOOK_SECRET'} {wrong}"
    if agent.email.to and agent.email.events:
        for name in ("smtp_host", "smtp_from"):
            if not getattr(settings, name):
                return f"{file}: email.to names mailboxes, but {name.upper()} is not set: set it in .env"
    return None


def named_variables(settings: Settings) -> frozenset[str]:
    """The variables that agents' files name, which are read though no setting has their names."""
    found: set[str] = set()
    for name in agent_names(settings.agents_dir):
        try:
            agent = load_agent(name, settings.agents_dir)
        except AgentError:
            continue
        found.update(name for tool in agent.http.values() for name in tool.env)
        found.update(name for server in agent.mcp.values() for name in server.env)
        if agent.webhooks.secret:
            found.add(agent.webhooks.secret)
    return frozenset(found)


def _secret(webhooks: Webhooks, settings: Settings) -> str | None:
    if webhooks.secret:
        try:
            return variables_named([webhooks.secret]).get(webhooks.secret)
        except SettingsError:
            return None
    secret = settings.webhook_secret
    return secret.get_secret_value() if secret else None
