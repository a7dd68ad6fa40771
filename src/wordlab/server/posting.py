"""Addresses to which a question is posted, with no more machinery than they need."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from wordlab.server.faults import RefusedError

JSON = "application/json"


class Posting(APIRoute):
    """A route whose only argument is a posted question.

    The library's own way from a request to a function is made for arguments of all kinds. Here
    there is one, a model, and the answer is another; the description is the library's still.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Read the question, ask the function, and write its answer."""
        if self.body_field is None:
            return super().get_route_handler()
        kind: type[BaseModel] = self.body_field.field_info.annotation  # type: ignore[assignment]
        answering: Callable[[BaseModel], Awaitable[BaseModel]] = self.endpoint

        async def handle(request: Request) -> Response:
            answer = await answering(_question(kind, await _posted(request)))
            return Response(answer.model_dump_json(), media_type=JSON)

        return handle


async def _posted(request: Request) -> object:
    """What stands in a body that says that it is JSON, else the body itself.

    Raises:
        RefusedError: where it is none.
    """
    body = await request.body()
    if not body:
        raise RefusedError(422, "the request has no body", where="body")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        return body
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        where = f"character {error.pos} of the body"
        raise RefusedError(400, "the body is no JSON", where=where) from None
    except (UnicodeDecodeError, RecursionError):
        raise RefusedError(400, "the body cannot be read") from None


def _question(kind: type[BaseModel], posted: object) -> BaseModel:
    try:
        return kind.model_validate(posted)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None
