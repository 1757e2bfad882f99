"""OpenAI's models, and every server that speaks its chat completions: vLLM, llama.cpp, Ollama.

Chat completions and not OpenAI's newer Responses API, as those servers have the former.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.llm.conversation import Answered, Asked, Reply, Request, Said, Stop, ToolCall, Usage
from agents.llm.model import ProviderAway
from agents.llm.providers.bounds import Tokens, is_too_deep
from agents.llm.providers.endpoint import Endpoint, api_key, base_url, missing_sdk
from agents.llm.providers.table import PROVIDERS

if TYPE_CHECKING:
    import httpx2

URL = "https://api.openai.com/v1"

# Of OpenAI's own: they take tools at chat completions only if they are told not to reason.
_REASONS_WITHOUT_TOOLS = re.compile(r"gpt-(5\.[4-9]|[6-9])")
_NAME = re.compile(r"[^a-zA-Z0-9_-]")


class _Function(BaseModel):
    name: str = ""
    arguments: Any = None


class _Call(BaseModel):
    id: str | None = None
    function: _Function = _Function()


class _Message(BaseModel):
    """What is read of a message; the rest, such as reasoning in fields of a server's own, is kept as it came."""

    model_config = ConfigDict(extra="allow")

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Details(BaseModel):
    cached_tokens: Tokens | None = None


class _Usage(BaseModel):
    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    prompt_tokens_details: _Details | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: _Usage | None = None


class OpenAI:
    """A model of OpenAI's or of a compatible server; see `agents.llm.model.Model`."""

    provider = "openai"

    def __init__(self, model: str | None, timeout_s: float) -> None:
        """A client without connections so far.

        Args:
            model: Its id; None: the default, which only OpenAI itself has.
            timeout_s: Of one request as a whole, in seconds.

        Raises:
            ProviderRefused: There is no key, or the SDK is not installed.
        """
        url = base_url("OPENAI_BASE_URL", URL)
        self._own = url.rstrip("/") == URL
        listed = PROVIDERS[self.provider]
        self.name = model or listed.default_model
        self._endpoint = Endpoint(
            provider=self.provider,
            url=url,
            model=self.name,
            replacement=f"a current one is {listed.default_model}" if self._own else "its /models lists what it serves",
            key_variables=listed.key_variables,
            key=api_key(listed.key_variables, required=self._own),
        )
        self._schema_forms = ["json_schema", "json_object"]
        try:
            import openai

            from agents.llm.providers.http import BoundedClient
        except ImportError:
            raise missing_sdk("openai") from None
        self._client = openai.OpenAI(
            # Without a key the header is left out below.
            api_key=self._endpoint.key or "none",
            base_url=self._endpoint.url,
            timeout=timeout_s,
            max_retries=0,
            http_client=BoundedClient(timeout_s),
        )

    def complete(self, request: Request) -> Reply:
        import openai

        from agents.llm.providers.failures import broken, failure_of, json_object, malformed

        arguments = self._arguments(request)
        try:
            # Raw: what the SDK makes of an answer is neither checked nor what the server sent.
            answer = self._client.chat.completions.with_raw_response.create(**arguments)
        except openai.APIStatusError as error:
            self._give_up_form(arguments, error.response)
            raise failure_of(self._endpoint, error.response) from None
        except openai.APIConnectionError as error:
            raise broken(self._endpoint, error) from None
        try:
            completion = _Completion.model_validate(json_object(self._endpoint, answer.http_response))
        except ValidationError as error:
            raise malformed(self._endpoint, f"field {error.errors()[0]['loc']}") from None
        return _reply(completion, self.name)

    def close(self) -> None:
        self._client.close()

    def _arguments(self, request: Request) -> dict[str, Any]:
        """The request. Compatible servers get the older names, and fewer things at once, which they all know."""
        arguments: dict[str, Any] = {
            "model": self.name,
            "messages": _messages(request),
            "max_completion_tokens" if self._own else "max_tokens": request.max_output_tokens,
        }
        if request.tools:
            arguments["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters),
                    },
                }
                for tool in request.tools
            ]
            arguments["tool_choice"] = "none" if request.must_answer else "auto"
            if self._own and _REASONS_WITHOUT_TOOLS.match(self.name):
                arguments["reasoning_effort"] = "none"
        # Servers that hold a model to a schema by a grammar (vLLM, llama.cpp) leave it no way to call a tool.
        may_call = bool(request.tools) and not request.must_answer
        if self._schema_forms and (self._own or not may_call):
            arguments["response_format"] = _response_format(self._schema_forms[0], dict(request.answer_schema))
        if not self._endpoint.key:
            from openai import Omit

            arguments["extra_headers"] = {"Authorization": Omit()}
        return arguments

    def _give_up_form(self, arguments: dict[str, Any], response: httpx2.Response) -> None:
        """Asks for the schema in another form from now on, or not at all, where a server does not take this one.

        Raises:
            ProviderAway: That was the reason, so one of the next tries will go through.
        """
        if self._own or "response_format" not in arguments or response.status_code not in (400, 422, 500):
            return
        if any(name in response.text for name in ("response_format", "json_schema", "json_object")):
            refused = self._schema_forms.pop(0)
            raise ProviderAway(
                f"{self._endpoint.shown} takes no response_format {refused!r}; it is asked otherwise", retry_after_s=0.0
            )


def _response_format(form: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as OpenAI has it, or in the older form of llama-cpp-python, which takes no other."""
    if form == "json_object":
        return {"type": form, "schema": schema}
    return {"type": form, form: {"name": "answer", "schema": schema, "strict": True}}


def _messages(request: Request) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}]
    for turn in request.turns:
        match turn:
            case Asked(text):
                messages.append({"role": "user", "content": text})
            case Said(reply):
                messages.append(reply.native)
            case Answered(outcomes):
                messages += [
                    {"role": "tool", "tool_call_id": outcome.call_id, "content": outcome.text} for outcome in outcomes
                ]
    return messages


def _reply(completion: _Completion, asked: str) -> Reply:
    choice = completion.choices[0]
    message = choice.message
    found = message.tool_calls or []
    ids = [call.id or "" for call in found]
    if len(set(ids)) < len(ids) or "" in ids:
        ids = [f"call-{index}" for index in range(len(found))]
    calls = tuple(
        ToolCall(id=id_, name=call.function.name, arguments=_arguments(call.function))
        for id_, call in zip(ids, found, strict=True)
    )
    if message.refusal or choice.finish_reason == "content_filter":
        stop = Stop.REFUSED
    elif choice.finish_reason == "length":
        stop = Stop.LENGTH
    else:
        # Some servers say "stop" where there are calls.
        stop = Stop.TOOLS if calls else Stop.END
    usage = completion.usage or _Usage()
    return Reply(
        text=message.content or message.refusal or "",
        calls=calls,
        usage=Usage(
            input_tokens=usage.prompt_tokens or 0,
            output_tokens=usage.completion_tokens or 0,
            cached_tokens=(usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0,
        ),
        model=completion.model or asked,
        stop=stop,
        native=_native(message, calls),
    )


def _arguments(function: _Function) -> dict[str, Any] | None:
    """A JSON object in a string; Ollama has sent it as an object."""
    arguments = function.arguments
    if isinstance(arguments, str):
        try:
            # A function without parameters is called with an empty string by some servers.
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            return None
    return arguments if isinstance(arguments, dict) and not is_too_deep(arguments) else None


def _native(message: _Message, calls: tuple[ToolCall, ...]) -> dict[str, Any]:
    """The message as it is given back: as it came, but for calls that the server itself would refuse.

    Servers read the arguments again for the model's template, and check names.
    """
    kept = {name: value for name, value in message.model_dump().items() if value is not None}
    native = {**kept, "role": "assistant", "content": message.content or message.refusal or ""}
    for name in ("tool_calls", "function_call", "refusal"):
        native.pop(name, None)
    if calls:
        native["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": _NAME.sub("_", call.name)[:64] or "_",
                    "arguments": _text_of(found.function.arguments) if call.arguments is not None else "{}",
                },
            }
            for call, found in zip(calls, message.tool_calls or [], strict=True)
        ]
    return native


def _text_of(arguments: Any) -> str:
    return arguments or "{}" if isinstance(arguments, str) else json.dumps(arguments)
