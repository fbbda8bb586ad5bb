"""Progress bars for the ``progress`` argument of a bulk load."""

from __future__ import annotations

from typing import Any, Self

from dorm.exceptions import ImproperlyConfigured


class ProgressBar:
    """A progress bar: ``with tqdm_progress() as progress: bulk_load(..., progress=progress)``."""

    def __call__(self, done: int, total: int | None) -> None:
        raise NotImplementedError

    def note(self, text: str) -> None:
        """Show what is being done now, such as the phase of an index build."""

    def close(self) -> None:
        """Stop updating the bar."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Tqdm(ProgressBar):
    def __init__(self, description: str) -> None:
        from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]  # its types are a separate package

        self._bar: Any = tqdm(desc=description, unit=" rows")

    def __call__(self, done: int, total: int | None) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def note(self, text: str) -> None:
        self._bar.set_postfix_str(text)

    def close(self) -> None:
        self._bar.close()


class _Rich(ProgressBar):
    def __init__(self, description: str) -> None:
        from rich.progress import Progress

        self._progress, self._description = Progress(), description
        self._task = self._progress.add_task(description, total=None)
        self._progress.start()

    def __call__(self, done: int, total: int | None) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def note(self, text: str) -> None:
        self._progress.update(self._task, description=f"{self._description} {text}")

    def close(self) -> None:
        self._progress.stop()


def tqdm_progress(description: str = "Loading") -> ProgressBar:
    """Return a callback that shows a tqdm progress bar; raise ImproperlyConfigured if tqdm is not installed."""
    return _installed("tqdm", _Tqdm, description)


def rich_progress(description: str = "Loading") -> ProgressBar:
    """Return a callback that shows a rich progress bar; raise ImproperlyConfigured if rich is not installed."""
    return _installed("rich", _Rich, description)


def _installed(package: str, bar: Any, description: str) -> ProgressBar:
    try:
        made: ProgressBar = bar(description)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"This progress bar is that of {package}. Install it: pip install {package}"
        ) from error
    return made
