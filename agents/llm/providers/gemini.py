"""Google's Gemini models: the Gemini API's generateContent, one stateless request at a time."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from agents.llm.conversation import Answered, Asked, Reply, Request, Said, Stop, ToolCall, Usage
from agents.llm.providers.bounds import Tokens
from agents.llm.providers.endpoint import Endpoint, api_key, base_url, missing_sdk
from agents.llm.providers.table import PROVIDERS

if TYPE_CHECKING:
    from google.genai import types

URL = "https://generativelanguage.googleapis.com"

_LENGTH = {"MAX_TOKENS", "CONTINUATION"}
_REFUSED = {
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "ESCALATION",
    "MODEL_ARMOR",
    "PUP_LIMITED_DISABLED",
}


class _Read(BaseModel):
    """Only what is read of an answer, in the names of the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Call(_Read):
    id: str | None = None
    name: str = ""
    args: Any = None


class _Part(_Read):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None


class _Content(_Read):
    parts: list[_Part] | None = None


class _Candidate(_Read):
    content: _Content | None = None
    finish_reason: str | None = None


class _Usage(_Read):
    prompt_token_count: Tokens | None = None
    tool_use_prompt_token_count: Tokens | None = None
    candidates_token_count: Tokens | None = None
    thoughts_token_count: Tokens | None = None
    cached_content_token_count: Tokens | None = None


class _Feedback(_Read):
    block_reason: str | None = None


class _Response(_Read):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage = _Usage()
    model_version: str | None = None


class Gemini:
    """A model of Google's; see `agents.llm.model.Model`."""

    provider = "gemini"

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
            url=base_url("GOOGLE_GEMINI_BASE_URL", URL),
            model=self.name,
            replacement=f"a current one is {listed.default_model}",
            key_variables=listed.key_variables,
            key=api_key(listed.key_variables),
        )
        try:
            from google import genai
            from google.genai import types

            from agents.llm.providers.http import BoundedClient
        except ImportError:
            raise missing_sdk("google-genai") from None
        self._http = BoundedClient(timeout_s)
        self._client = genai.Client(
            vertexai=False,
            api_key=self._endpoint.key,
            # Without retry options the SDK tries once.
            http_options=types.HttpOptions(
                base_url=self._endpoint.url, timeout=int(timeout_s * 1000), httpx_client=self._http
            ),
        )

    def complete(self, request: Request) -> Reply:
        from google.genai import errors
        from httpx2 import RequestError, Response

        from agents.llm.providers.failures import broken, failure_of, json_object, malformed

        contents, config = _contents(request), _config(request)
        try:
            answer = self._client.models.generate_content(model=self.name, contents=contents, config=config)
        except errors.APIError as error:
            raise failure_of(self._endpoint, cast(Response, error.response)) from None  # as the client is ours
        except RequestError as error:
            raise broken(self._endpoint, error) from None
        except (ValueError, RecursionError) as error:
            # The SDK reads the body of an error answer before it says which status it has.
            raise malformed(self._endpoint, str(error)) from None
        raw = answer.sdk_http_response
        http = Response(200, headers=raw.headers if raw else None, text=(raw and raw.body) or "")
        try:
            response = _Response.model_validate(json_object(self._endpoint, http))
        except ValidationError as error:
            raise malformed(self._endpoint, f"field {error.errors()[0]['loc']}") from None
        if not response.candidates and not (response.prompt_feedback and response.prompt_feedback.block_reason):
            raise malformed(self._endpoint, "no candidates, and no reason for that")
        return _reply(response, self.name)

    def close(self) -> None:
        self._client.close()
        self._http.close()  # the SDK leaves a client that it was given open


def _contents(request: Request) -> list[types.Content]:
    from google.genai import types

    contents: list[types.Content] = []
    for turn in request.turns:
        match turn:
            case Asked(text):
                contents.append(types.Content(role="user", parts=[types.Part(text=text)]))
            case Said(reply):
                if reply.native:
                    contents.append(types.Content(role="model", parts=[_part_again(part) for part in reply.native]))
            case Answered(outcomes):
                results = [
                    types.FunctionResponse(
                        # Ids that the API did not give are ours; see `_reply`.
                        id=None if outcome.call_id.startswith(_OURS) else outcome.call_id,
                        name=outcome.name,
                        response={"error" if outcome.is_error else "output": outcome.text},
                    )
                    for outcome in outcomes
                ]
                contents.append(
                    types.Content(role="user", parts=[types.Part(function_response=result) for result in results])
                )
    return contents


def _part_again(native: dict[str, Any]) -> types.Part:
    """A part of an earlier reply, with the signature that covers it."""
    from google.genai import types

    part = _Part.model_validate(native)
    call = part.function_call
    return types.Part(
        text=part.text,
        thought=part.thought,
        thought_signature=b64decode(part.thought_signature) if part.thought_signature else None,
        function_call=types.FunctionCall(id=call.id, name=call.name, args=_arguments(call) or {}) if call else None,
    )


def _config(request: Request) -> types.GenerateContentConfig:
    from google.genai import types

    declarations = [
        types.FunctionDeclaration(
            name=tool.name, description=tool.description, parameters_json_schema=dict(tool.parameters)
        )
        for tool in request.tools
    ]
    mode = types.FunctionCallingConfigMode.NONE if request.must_answer else types.FunctionCallingConfigMode.AUTO
    return types.GenerateContentConfig(
        system_instruction=request.system,
        max_output_tokens=request.max_output_tokens,
        tools=[types.Tool(function_declarations=declarations)] if declarations else None,
        tool_config=types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode=mode))
        if declarations
        else None,
        # "Function calling with a response mime type: 'application/json' is unsupported" (python-genai#867), whatever
        # the mode; so the schema is asked for only where there are no tools.
        response_mime_type=None if declarations else "application/json",
        response_json_schema=None if declarations else dict(request.answer_schema),
        # Both would make more requests out of one.
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
        # The body as it was sent: what the SDK makes of it warns of each value that it does not know yet.
        should_return_http_response=True,
    )


_OURS = "sim-arena-"


def _reply(response: _Response, asked: str) -> Reply:
    candidate = response.candidates[0] if response.candidates else _Candidate(finish_reason="PROHIBITED_CONTENT")
    parts = (candidate.content and candidate.content.parts) or []
    calls = tuple(
        ToolCall(
            id=part.function_call.id or f"{_OURS}{index}",
            name=part.function_call.name,
            arguments=_arguments(part.function_call),
        )
        for index, part in enumerate(parts)
        if part.function_call
    )
    if candidate.finish_reason in _REFUSED:
        stop = Stop.REFUSED
    elif candidate.finish_reason in _LENGTH:
        stop = Stop.LENGTH
    else:
        # MALFORMED_FUNCTION_CALL among others: an answer without text, which is the model's failing.
        stop = Stop.TOOLS if calls else Stop.END
    usage = response.usage_metadata
    return Reply(
        text="".join(part.text or "" for part in parts if not part.thought),
        calls=calls,
        usage=Usage(
            input_tokens=(usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
            output_tokens=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            cached_tokens=usage.cached_content_token_count or 0,
        ),
        model=response.model_version or asked,
        stop=stop,
        native=[part.model_dump(by_alias=True, exclude_none=True) for part in parts],
    )


def _arguments(call: _Call) -> dict[str, Any] | None:
    # A function without parameters is called without `args`.
    if call.args is None:
        return {}
    return call.args if isinstance(call.args, dict) else None
