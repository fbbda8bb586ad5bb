"""The callbacks of blocks whose COMMIT fails."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from dorm import transaction

from ...exceptions import ConnectionLost
from ...patching.registry import repair
from ...patching.stand_ins import finished

_SYNC_BLOCK, _ASYNC_BLOCK = "dorm.transaction:_AtomicContextManager", "dorm.transaction:_AsyncAtomicContextManager"
_PROBED = "dorm_vector's probe"


class _CommitError(Exception):
    """Stands for what a database raises at COMMIT."""


class _FailingBlock:
    """The block of a connection whose COMMIT fails."""

    def __exit__(self, *_error: object) -> None:
        raise _CommitError

    async def __aexit__(self, *_error: object) -> None:
        raise _CommitError


def _forgets_a_failed_block() -> bool:
    block: Any = transaction._AtomicContextManager(_PROBED)
    block._cm = _FailingBlock()
    stacks = transaction._sync_stack(_PROBED), transaction._sync_rollback_stack(_PROBED)
    transaction._push_sync_frame(_PROBED)
    with suppress(_CommitError):
        block.__exit__(None, None, None)
    is_fixed = not stacks[0]
    for stack in stacks:
        stack.clear()
    return is_fixed


def _forgets_a_failed_async_block() -> bool:
    block: Any = transaction._AsyncAtomicContextManager(_PROBED)
    block._cm = _FailingBlock()
    token = transaction._ASYNC_STACK.set([])
    try:
        transaction._push_async_frame(_PROBED)
        with suppress(_CommitError):
            finished(block.__aexit__(None, None, None))
        return not transaction._ASYNC_STACK.get()
    finally:
        transaction._ASYNC_STACK.reset(token)


@repair(_SYNC_BLOCK, "__exit__", is_fixed=_forgets_a_failed_block)
def commit_callbacks(original: Any, block: Any, *error: Any) -> Any:
    """Forget the callbacks of a block whose COMMIT fails, and run its ``on_rollback()`` ones.

    Symptom: after one COMMIT that failed, at a lost connection, a full disk or a deferred constraint, no
    ``on_commit()`` callback of that thread or task ever runs again, and the failed block's own ones never
    roll back. Cause: the list of the block stays on the stack, so that every later block is an inner one. Where the
    connection was lost during COMMIT, the outcome is unknown, and neither kind runs. djanorm 4.3 to 4.5.
    """
    frames = transaction._sync_stack(block.using)
    depth = len(frames)
    try:
        return original(block, *error)
    except BaseException as failure:
        if len(frames) == depth:
            if _may_be_stored(failure):
                transaction._sync_rollback_stack(block.using)[-1].clear()
            transaction._pop_sync_frame(block.using, committed=False)
        raise


@repair(_ASYNC_BLOCK, "__aexit__", name="commit_callbacks", is_fixed=_forgets_a_failed_async_block)
async def _async_commit_callbacks(original: Any, block: Any, *error: Any) -> Any:
    frames = transaction._aon_commit_stack()
    depth = len(frames)
    try:
        return await original(block, *error)
    except BaseException as failure:
        if len(frames) == depth:
            if _may_be_stored(failure):
                frames[-1][2].clear()
            await transaction._pop_async_frame(block.using, committed=False)
        raise


def _may_be_stored(failure: BaseException) -> bool:
    return isinstance(failure, ConnectionLost) and failure.may_be_stored
