"""A flow on one call: Pipecat's `FlowManager` in our pipeline, begun after the greeting, or gone on with.

Everything of Pipecat Flows is used by its public interface. What is ours is put into the nodes before they are handed
over: functions that cannot fail the call (`functions.py`), actions that keep their promises (`actions.py`), and the
agent's own instructions, which Flows' `role_message` would take the place of.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from loguru import logger
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.flows import FlowError, FlowManager, FlowsFunctionSchema, NodeConfig
from pipecat.frames.frames import Frame, LLMSetToolsFrame, LLMUpdateSettingsFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator, LLMUserAggregator
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.transports.base_transport import BaseTransport

from conversation.agents.flow import END_CONVERSATION, TTS_SAY, AgentFlow, in_state
from conversation.flows.actions import BEHIND, COMES, Actions, filled
from conversation.flows.functions import NoWay, guarded
from conversation.flows.kept import Kept
from conversation.local.dialogue.choosing import Place, place_of
from conversation.public import BotSession
from conversation.session import Session
from conversation.system_message import SystemMessage, harmless

SPEAKING = (TTS_SAY, END_CONVERSATION)


class OfferedEverywhere(FrameProcessor):
    """Offers the agent's tools in every node, beside the node's functions. Stands before the caller's aggregator."""

    def __init__(self, tools: ToolsSchema) -> None:
        """Initialize the processor.

        Args:
            tools: The agent's tools, which the model runs as without a flow.
        """
        super().__init__(enable_direct_mode=True)
        self._tools = tools

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Add the tools to those of a node; pass everything on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMSetToolsFrame):
            of_the_node = frame.tools.standard_tools if isinstance(frame.tools, ToolsSchema) else []
            frame.tools = ToolsSchema(standard_tools=[*self._tools.standard_tools, *of_the_node])
        await self.push_frame(frame, direction)


@dataclass(frozen=True)
class _Aggregators:
    """The two aggregators of our pipeline, as Flows asks for them."""

    of_user: LLMUserAggregator
    of_assistant: LLMAssistantAggregator

    def user(self) -> LLMUserAggregator:
        """The caller's."""
        return self.of_user

    def assistant(self) -> LLMAssistantAggregator:
        """The bot's."""
        return self.of_assistant


class CallFlow:
    """A flow on one call."""

    def __init__(
        self,
        session: Session,
        face: BotSession,
        flow: AgentFlow,
        told: SystemMessage,
        tools: ToolsSchema,
        *,
        keyless: bool,
    ) -> None:
        """Prepare it; `join` gives it the pipeline, `begin` begins.

        Args:
            session: The session.
            face: The same, as owners' code gets it.
            flow: The flow.
            told: What a model is told in every node.
            tools: The agent's tools, which are offered in every node.
            keyless: Whether the local brain talks, and no model.
        """
        self.offers = OfferedEverywhere(tools)
        """A processor that stands before the caller's aggregator."""
        self._session = session
        self._flow = flow
        self._told = told
        self._keyless = keyless
        self._kept = Kept(session)
        self._actions = Actions(session, face, self._kept.node, self._after)
        self._manager: FlowManager | None = None
        self._nodes: dict[str, NodeConfig] = {}
        self._first: asyncio.Task[None] | None = None

    def join(
        self,
        worker: PipelineWorker,
        llm: LLMService[Any],
        user: LLMUserAggregator,
        assistant: LLMAssistantAggregator,
        transport: BaseTransport,
    ) -> None:
        """Give it the pipeline."""
        everywhere = [
            self._function(one)
            for one in self._flow.flow.global_functions
            if isinstance(one, FlowsFunctionSchema)
        ]
        self._manager = FlowManager(
            llm=llm,
            context_aggregator=_Aggregators(user, assistant),
            worker=worker,
            transport=transport,
            global_functions=list(everywhere),
        )
        self._actions.register(self._manager)

    @property
    def manager(self) -> FlowManager:
        """Pipecat's, once the pipeline is there."""
        assert self._manager is not None
        return self._manager

    async def begin(self) -> None:
        """Come to the flow's first node, whose first words the greeting is, or to that of the session before."""
        manager, config = self.manager, self._flow.config
        manager.state.update(self._given() | self._kept.state)
        before = [name for name in self._kept.nodes if name in config.nodes]
        if self._kept.nodes[-1:] != before[-1:]:
            logger.warning(
                f"call {self._session.call.id}: the flow has no node {self._kept.nodes[-1]!r} any more; it goes on in "
                f"{before[-1] if before else config.initial_node!r}"
            )
        name = before[-1] if before else config.initial_node
        for missing in self._flow.placeholders(name):
            manager.state.setdefault(missing.partition(".")[0], "")
        role = self._role_at(before or [name], manager.state)
        await manager.worker.queue_frame(LLMUpdateSettingsFrame(delta=LLMSettings(system_instruction=role)))
        try:
            await manager.initialize()
            await manager.set_node_from_config(self._as_first(name, again=bool(before)))
        except FlowError as error:
            logger.error(f"call {self._session.call.id}: the flow cannot begin: {type(error).__name__}")
            return
        if before:
            self._actions.end_again(self._flow.last_words(name), manager)
        else:
            self._kept.node(name)
            self._first = asyncio.create_task(self._prepare(name))

    def first_role(self) -> str:
        """What a model is told as the flow begins."""
        return self._role_at([self._flow.config.initial_node], self._given())

    def _role_at(self, nodes: list[str], state: dict[str, Any]) -> str:
        roles = [role for one in nodes if (role := self._flow.config.nodes[one].role_message)]
        return filled(self._as_role(roles[-1:]), state)

    def place(self) -> Place | None:
        """Where the conversation is, for a brain that is no model; None before the flow has begun."""
        name = self.manager.current_node
        return place_of(self._flow, name, self.manager.state) if name is not None else None

    async def close(self) -> None:
        """Stop what is under way, as the session is over."""
        if self._first is not None:
            self._first.cancel()

    def _given(self) -> dict[str, Any]:
        """Those of the call's variables that a prompt of the flow names."""
        named = {
            name.partition(".")[0]
            for node in self._flow.config.nodes
            for name in self._flow.placeholders(node, goodbye=True)
        }
        return {
            name: value
            for name, value in harmless(self._session.agent, self._session.variables).items()
            if name in named and isinstance(value, str | int | float)
        }

    def _after(self) -> None:
        self._kept.changed(self.manager.state)

    async def _prepare(self, name: str) -> None:
        """Run the first node's actions, but those that speak: the greeting has done that."""
        for action in self._flow.flow.node(name).get("pre_actions", ()):
            if callable(action.get("handler")):
                await self._actions.run_handler(cast(dict[str, Any], action), self.manager)

    # Nodes as they are run

    def _node(self, name: str) -> NodeConfig:
        if name not in self._nodes:
            self._nodes[name] = self._made(name)
        return self._nodes[name]

    def _made(self, name: str) -> NodeConfig:
        flow, as_written = self._flow, self._flow.flow.node(name)
        node = cast(NodeConfig, dict(as_written))
        if "functions" in as_written:
            node["functions"] = [
                self._function(one) for one in as_written["functions"] if isinstance(one, FlowsFunctionSchema)
            ]
        if "role_message" in as_written:
            node["role_message"] = self._as_role([as_written["role_message"]])
        node["task_messages"] = [*as_written["task_messages"], *self._about_keys(name)]
        pre = [self._action(action) for action in as_written.get("pre_actions", ())]
        post = [{**self._action(action), BEHIND: True} for action in as_written.get("post_actions", ())]
        replies = as_written.get("respond_immediately", True) and not flow.puts_through(name)
        if self._keyless and flow.speaks(name) and not flow.words_of(name).say:
            # The file has said all that there is to say; a brain has no words of its own to add.
            pre, post, replies = [*pre, *post], [], False
        ends = replies and any(action["type"] == END_CONVERSATION for action in post)
        waits = not replies and not any(action["type"] in SPEAKING for action in (*pre, *post))
        come = {"type": COMES, "node": name, "ends": ends, "waits": waits}
        node["pre_actions"] = cast(Any, [come, *pre])
        node["post_actions"] = cast(Any, post)
        node["respond_immediately"] = replies
        return node

    def _as_first(self, name: str, *, again: bool) -> NodeConfig:
        """A node that a session begins in, after its greeting or where it was: nothing is said on coming to it."""
        dropped = ("pre_actions", "role_message", "context_strategy", *(["post_actions"] if again else []))
        kept = {key: value for key, value in self._node(name).items() if key not in dropped}
        return cast(NodeConfig, {**kept, "respond_immediately": False})

    def _function(self, schema: FlowsFunctionSchema) -> FlowsFunctionSchema:
        return guarded(schema, self._session, self._next, self._after)

    def _next(self, node: Mapping[str, Any]) -> NodeConfig:
        name = str(node["name"])
        missing = [
            one for one in sorted(self._flow.placeholders(name)) if not in_state(one, self.manager.state)
        ]
        if missing:
            raise NoWay(
                f"cannot lead to {name!r}: its prompts need {', '.join(missing)}, which no function has put into the "
                "state"
            )
        return self._node(name)

    def _action(self, action: Mapping[str, Any]) -> dict[str, Any]:
        handler = action.get("handler")
        if handler is None or action["type"] == "function":
            return dict(action)
        # Of two handlers for one type Flows would take the first.
        own_type = f"{action['type']}: {getattr(handler, '__name__', '')}"

        async def run(given: dict[str, Any], manager: FlowManager) -> None:
            await self._actions.run_handler({**given, "handler": handler}, manager)

        return {**action, "type": own_type, "own_type": action["type"], "handler": run}

    def _as_role(self, role: list[str]) -> str:
        """What the owner says of the agent, a node's role behind it, and what is true of every call."""
        before, behind = (
            _filled_in_already(self._told.of_the_owner),
            _filled_in_already(self._told.of_the_call),
        )
        return "\n\n".join([before, *role, behind])

    def _about_keys(self, name: str) -> list[dict[str, str]]:
        if self._keyless:
            return []
        keys = [
            f"{choice.key} calls {function}"
            for function, choice in self._flow.words_of(name).choices.items()
            if choice.key is not None
        ]
        told = f"Keys that the caller may press here: {'; '.join(keys)}." if keys else ""
        return [{"role": "developer", "content": told}] if told else []


def _filled_in_already(text: str) -> str:
    """Keep Flows from filling in what looks like a name of its state: the agent's file, and data, are as they are."""
    return re.sub(r"\{\{(?=\s*[A-Za-z_][\w.]*\s*\}\})", r"\\{{", text)
