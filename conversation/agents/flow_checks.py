"""What is wrong with a call flow: found when the agent is loaded, a line each, with the file, the node and the fix."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from conversation.agents.errors import AgentError, did_you_mean
from conversation.agents.flow import END_CONVERSATION, TRANSFER, TTS_SAY, AgentFlow
from conversation.agents.flow_words import FlowWords

if TYPE_CHECKING:
    from pipecat.flows import FlowConfig, FlowProblem


def joined(
    file: str,
    config: FlowConfig,
    words: FlowWords,
    code: Mapping[str, Any],
    *,
    tools: Collection[str],
    transfers: Collection[str],
) -> AgentFlow:
    """Join a flow to its functions and words.

    Args:
        file: The flow's file, for messages; the names of the agent's other files follow from it.
        config: What it says.
        words: The agent's `[flow]` table.
        code: What the agent's own code has, by name; empty when there is none.
        tools: The names of all tools that the agent could have.
        transfers: The names of those whom callers may be put through to.

    Raises:
        AgentError: It cannot be run; a line for each mistake.
    """
    from pipecat.flows import Flow, FlowReferenceError

    agent = file.partition(".")[0]
    mistakes = [f"{file}: {mistake}" for mistake in _mistakes(config, code, tools, f"{agent}.py")]
    mistakes += [f"{file}: {mistake}" for mistake in _wrong_transfers(config, transfers, f"{agent}.toml")]
    try:
        flow = Flow(config, handlers=dict(code))
    except FlowReferenceError as error:
        told = "".join(mistakes)
        mistakes += [
            f"{file}: {_explained(one, code, f'{agent}.py')}"
            for one in error.problems
            if f"{one.function!r}" not in told
        ]
    if mistakes:
        raise AgentError("\n".join(dict.fromkeys(mistakes)))
    made = AgentFlow(file, config, flow, words)
    if mistakes := [f"{agent}.toml: flow.nodes.{mistake}" for mistake in _wrong_words(made)]:
        raise AgentError("\n".join(mistakes))
    return made


def warnings(flow: AgentFlow) -> list[str]:
    """What can be run and is hardly meant so: one line each."""
    config, found = flow.config, []
    for node in config.nodes:
        if node not in flow.reachable():
            found.append(
                f"{flow.file}: node {node!r}: no function leads to it: name it in a transition_to, or remove it"
            )
    for action in config.nodes[config.initial_node].pre_actions:
        if action.type in (TTS_SAY, END_CONVERSATION, TRANSFER):
            found.append(
                f"{flow.file}: node {config.initial_node!r}: its {action.type} is passed over when a call begins, for "
                "the greeting is what is said then: put it into a node that comes after, or the words into the greeting"
            )
    return found


def without_a_model(flow: AgentFlow) -> list[str]:
    """What a flow cannot do with the local brain in the model's place: one line each."""
    found = []
    toml = f"{flow.file.partition('.')[0]}.toml"
    for node in sorted(flow.reachable(without_a_model=True), key=list(flow.config.nodes).index):
        where = f"{flow.file}: node {node!r}"
        if flow.needs_a_model(node):
            found.append(
                f"{where}: needs a model, and none is set: callers hear the line flow_needs_model there. Set a model's "
                "key, or give the node functions without required parameters"
            )
            continue
        able = {*flow.choices(node), *(flow.digits(node) or ())}
        unable = [one.name for one in flow.functions(node) if one.name not in able]
        if unable:
            found.append(
                f"{where}: without a model nobody can choose {', '.join(unable)}, which need arguments: set a model's "
                f"key, or name one as `digits` in [flow.nodes.{node}] of {toml}"
            )
        if not (flow.words_of(node).say or flow.speaks(node) or flow.ends(node)):
            if node != flow.config.initial_node:
                found.append(
                    f"{where}: has no words of yours for callers without a model, who hear only what they can choose: "
                    f"write say in [flow.nodes.{node}] of {toml}"
                )
    return found


def _mistakes(config: FlowConfig, code: Mapping[str, Any], tools: Collection[str], py: str) -> Iterator[str]:
    entries = [
        *((f"node {name!r}: ", one) for name, node in config.nodes.items() for one in node.functions),
        *(("global_functions: ", one) for one in config.global_functions),
    ]
    for where, entry in entries:
        if entry.name in tools:
            yield f"{where}{entry.name!r} is the name of a tool, too, which is offered in every node: rename it"
        elif not entry.transition_only and callable(function := code.get(entry.name)):
            yield from (f"{where}{mistake}" for mistake in _wrong_function(entry.name, function, py))
    for name, node in config.nodes.items():
        for action in (*node.pre_actions, *node.post_actions):
            where = f"node {name!r}: "
            if action.registered_in_code and action.type != TRANSFER:
                yield (
                    f"{where}there is no action {action.type!r}: use tts_say, end_conversation, function or transfer, "
                    f"or name a `handler` of {py}"
                )
            elif action.type == TTS_SAY and not action.extras().get("text"):
                yield f"{where}tts_say has no text: write `text:`"
            elif callable(handler := code.get(action.handler or "")):
                yield from (f"{where}{mistake}" for mistake in _wrong_handler(action.handler, handler, py))


def _wrong_transfers(config: FlowConfig, transfers: Collection[str], toml: str) -> Iterator[str]:
    for name, node in config.nodes.items():
        for action in node.pre_actions:
            wanted = action.extras().get("destination")
            if action.type == TRANSFER and wanted not in transfers:
                known = list(transfers)
                hint = (
                    did_you_mean(str(wanted), known)
                    if known
                    else f"; add it to {toml}, and transfer_call to tools"
                )
                yield f"node {name!r}: transfer: there is no destination {wanted!r} in [transfers]{hint}"
        if any(action.type == TRANSFER for action in node.post_actions):
            yield f"node {name!r}: transfer is one of the post_actions, and works as one of the pre_actions: move it"


def _wrong_function(name: str, function: Callable[..., Any], py: str) -> Iterator[str]:
    parameters = list(inspect.signature(function).parameters.values())
    if not inspect.iscoroutinefunction(function):
        yield f"{name!r} in {py} is no async function: write `async def {name}(flow_manager, ...)`"
    elif not parameters or parameters[0].name != "flow_manager":
        yield f"{name!r} in {py} must have `flow_manager` as its first parameter: write it there"
    for one in parameters[1:]:
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            yield f"{name!r} in {py} takes {one}: a model gives arguments by name; write each of them"
        elif one.annotation is one.empty:
            yield f"{name!r} in {py} has no type hint for {one.name}: write `{one.name}: str`, or the type that it has"
    if not (inspect.getdoc(function) or "").strip():
        yield f"{name!r} in {py} has no docstring: the model is told by it what the function is for; write one"


def _wrong_handler(name: str | None, handler: Callable[..., Any], py: str) -> Iterator[str]:
    if not inspect.iscoroutinefunction(handler):
        yield f"the handler {name!r} in {py} is no async function: write `async def {name}(action, flow_manager)`"
        return
    try:
        inspect.signature(handler).bind("action", "flow_manager")
    except TypeError:
        yield f"the handler {name!r} in {py} must take two arguments: write `async def {name}(action, flow_manager)`"


def _explained(problem: FlowProblem, code: Mapping[str, Any], py: str) -> str:
    """Say in a line what Pipecat has found of a function or handler that is not there, or is none."""
    where = f"node {problem.node!r}: " if problem.node else "global_functions: "
    name = problem.function or next(iter(problem.message.split("'")[3:4]), "")
    if problem.code not in ("missing_tool", "missing_handler"):
        return f"{where}{name!r} in {py} cannot be a function of a flow; correct its signature and type hints"
    if not code:
        return f"{where}there is no {name!r}, as there is no {py}: write it beside the flow, with that function in it"
    first = "flow_manager" if problem.code == "missing_tool" else "action"
    known = [
        one
        for one, function in code.items()
        if inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), None) == first
    ]
    hint = did_you_mean(name, known) if known else f"; write `async def {name}({first}, ...)`"
    return f"{where}there is no {name!r} in {py}{hint}"


def _wrong_words(flow: AgentFlow) -> Iterator[str]:
    for node, words in flow.words.nodes.items():
        if node not in flow.config.nodes:
            yield f"{node}: {flow.file} has no such node{did_you_mean(node, list(flow.config.nodes))}"
            continue
        functions = {one.name: one for one in flow.functions(node)}
        for name in words.choices:
            if name not in functions:
                yield f"{node}.choices.{name}: the node has no such function{did_you_mean(name, functions)}"
        if words.digits is None:
            continue
        if words.digits not in functions:
            yield f"{node}.digits: the node has no function {words.digits!r}{did_you_mean(words.digits, functions)}"
        elif len(needed := functions[words.digits].required) != 1:
            yield (
                f"{node}.digits: {words.digits!r} needs {', '.join(needed) or 'nothing'}, and digits are for a "
                "function with one required parameter: name another one"
            )
