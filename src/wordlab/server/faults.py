"""Refusals as JSON: what is wrong, where, and how to mend it, with the status that fits."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from wordlab.errors import WordlabError


class Fault(BaseModel):
    """Why there is no answer."""

    error: str
    """What is wrong."""
    where: str
    """The field of the request, or empty."""
    mend: str
    """What can be done about it, or empty."""


class RefusedError(WordlabError):
    """A fault of the request that has a status of its own.

    Args:
        status: of the answer.
    """

    def __init__(self, status: int, what: str, *, where: str = "", mend: str = "") -> None:
        self.status = status
        super().__init__(what, where=where, mend=mend)


MEANINGS = {
    400: "The request cannot be read.",
    403: "A page of another origin asked.",
    404: "There is no such run, word or address.",
    405: "The address knows no such method.",
    408: "The request did not arrive in time.",
    409: "The run is of a kind that has no such view.",
    413: "The request is too large.",
    421: "The request is for another host.",
    422: "A field has a wrong value.",
    429: "Too many requests at once.",
    500: "The service has a fault.",
    503: "The answer took too long.",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's description: what else may be answered."""
    return {status: {"model": Fault, "description": MEANINGS[status]} for status in statuses}


def fault_answer(
    status: int,
    error: str,
    *,
    where: str = "",
    mend: str = "",
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A fault as JSON."""
    content = {"error": error, "where": where, "mend": mend}
    return JSONResponse(content, status, headers=dict(headers or {}))


def answer_with_faults(app: FastAPI) -> None:
    """Have all errors of an application answered as JSON of this form."""

    @app.exception_handler(WordlabError)
    async def refuse(request: Request, error: WordlabError) -> JSONResponse:
        status = error.status if isinstance(error, RefusedError) else 422
        where = error.where.removeprefix("--")  # an option of the command line
        return fault_answer(status, error.what, where=where, mend=error.mend)

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return fault_answer(422, _sentence(first["msg"]), where=_place(first["loc"]))

    @app.exception_handler(HTTPException)
    async def answer(request: Request, error: HTTPException) -> JSONResponse:
        what = MEANINGS.get(error.status_code, str(error.detail))
        return fault_answer(error.status_code, what, headers=error.headers)

    @app.exception_handler(Exception)
    async def admit(request: Request, error: Exception) -> JSONResponse:
        return fault_answer(500, MEANINGS[500])


def _place(parts: Sequence[int | str]) -> str:
    """The field's name: what stands behind "body" or "query"."""
    return ".".join(map(str, parts[1:] if len(parts) > 1 else parts))


def _sentence(message: str) -> str:
    return message[0].lower() + message[1:]
