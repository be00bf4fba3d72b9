"""Run a few things at the same time; when one fails the others give up."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event


def together(tasks: Sequence[Callable[[], object]], cancel: Event) -> None:
    """Run ``tasks`` in threads and wait for all of them.

    Raises the first error, after ``cancel`` has told the other tasks to give up and they have.
    """
    cancel.clear()
    with ThreadPoolExecutor(max(1, len(tasks))) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            cancel.set()
            raise
