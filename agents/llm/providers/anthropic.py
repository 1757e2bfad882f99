"""Anthropic's models: the Messages API, one stateless request at a time."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from agents.llm.conversation import Answered, Asked, Reply, Request, Said, Stop, ToolCall, Turn, Usage
from agents.llm.providers.bounds import Tokens
from agents.llm.providers.endpoint import Endpoint, api_key, base_url, missing_sdk
from agents.llm.providers.table import PROVIDERS

URL = "https://api.anthropic.com"

_STOPS = {
    "max_tokens": Stop.LENGTH,
    "model_context_window_exceeded": Stop.LENGTH,
    "refusal": Stop.REFUSED,
}


class _Usage(BaseModel):
    input_tokens: Tokens
    output_tokens: Tokens
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None


class _Message(BaseModel):
    """What is read of an answer. Blocks stay as they came: their signatures cover every byte."""

    content: list[dict[str, Any]]
    model: str
    stop_reason: str | None = None
    usage: _Usage


class Anthropic:
    """A model of Anthropic's; see `agents.llm.model.Model`."""

    provider = "anthropic"

    def __init__(self, model: str | None, timeout_s: float) -> None:
        """A client without connections so far.

        Args:
            model: Its id; None: the default.
            timeout_s: Of one request as a whole, in seconds.

        Raises:
            ProviderRefused: There is no key, or the SDK is not installed.
        """
        listed = PROVIDERS[self.provider]
        self.name = model or listed.default_model
        self._endpoint = Endpoint(
            provider=self.provider,
            url=base_url("ANTHROPIC_BASE_URL", URL),
            model=self.name,
            replacement=f"a current one is {listed.default_model}",
            key_variables=listed.key_variables,
            key=api_key(listed.key_variables),
        )
        try:
            import anthropic

            from agents.llm.providers.http import BoundedClient
        except ImportError:
            raise missing_sdk("anthropic") from None
        self._client = anthropic.Anthropic(
            api_key=self._endpoint.key,
            base_url=self._endpoint.url,
            timeout=timeout_s,
            max_retries=0,
            http_client=BoundedClient(timeout_s),
        )

    def complete(self, request: Request) -> Reply:
        import anthropic

        from agents.llm.providers.failures import broken, failure_of, json_object, malformed

        try:
            # Raw: what the SDK makes of an answer is neither checked nor what the server sent.
            answer = self._client.messages.with_raw_response.create(**_arguments(self.name, request))
        except anthropic.APIStatusError as error:
            raise failure_of(self._endpoint, error.response) from None
        except anthropic.APIConnectionError as error:
            raise broken(self._endpoint, error) from None
        try:
            return _reply(_Message.model_validate(json_object(self._endpoint, answer.http_response)))
        except ValidationError as error:
            raise malformed(self._endpoint, f"field {error.errors()[0]['loc']}") from None

    def close(self) -> None:
        self._client.close()


def _arguments(model: str, request: Request) -> dict[str, Any]:
    from anthropic import transform_schema

    arguments: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_output_tokens,
        "system": request.system,
        "messages": [message for turn in request.turns if (message := _message(turn))["content"]],
        # It holds the answer alone to the schema, not calls of tools, so both go together.
        "output_config": {"format": {"type": "json_schema", "schema": transform_schema(dict(request.answer_schema))}},
    }
    if request.tools:
        arguments["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
        arguments["tool_choice"] = {"type": "none" if request.must_answer else "auto"}
    return arguments


def _message(turn: Turn) -> dict[str, Any]:
    match turn:
        case Asked(text):
            return {"role": "user", "content": text}
        case Said(reply):
            return {"role": "assistant", "content": reply.native}
        case Answered(outcomes):
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": outcome.call_id,
                    "content": outcome.text,
                    "is_error": outcome.is_error,
                }
                for outcome in outcomes
            ]
            return {"role": "user", "content": results}


def _reply(message: _Message) -> Reply:
    calls = tuple(_call(block) for block in message.content if block.get("type") == "tool_use")
    usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    return Reply(
        text="".join(str(block.get("text", "")) for block in message.content if block.get("type") == "text"),
        calls=calls,
        # The API counts cached tokens beside the others, not among them.
        usage=Usage(
            input_tokens=usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
            output_tokens=usage.output_tokens,
            cached_tokens=cached,
        ),
        model=message.model,
        stop=_STOPS.get(message.stop_reason or "", Stop.TOOLS if calls else Stop.END),
        native=message.content,
    )


def _call(block: dict[str, Any]) -> ToolCall:
    arguments = block.get("input")
    return ToolCall(
        id=str(block.get("id", "")),
        name=str(block.get("name", "")),
        arguments=arguments if isinstance(arguments, dict) else None,
    )
