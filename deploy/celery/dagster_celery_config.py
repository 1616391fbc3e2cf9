# ruff: noqa: INP001
"""What Celery's workers are told: put this file where they start, or into PYTHONPATH. ``dagster_celery`` reads it.

JUTSU_CELERY_BROKER names the broker, JUTSU_CELERY_RESULTS where states of tasks are kept, the same as in dagster.yaml.
"""

import os


def _named(variable: str) -> str:
    if value := os.environ.get(variable):
        return value
    message = (
        f"Error: {variable} must be set for a worker, as for who launches runs, such as redis://host:6379/0, is not"
    )
    raise SystemExit(message)


broker_url = _named("JUTSU_CELERY_BROKER")
result_backend = _named("JUTSU_CELERY_RESULTS")
broker_connection_retry_on_startup = True
task_acks_late = False  # run monitoring ends the run of a worker that dies, and its retry begins another
worker_prefetch_multiplier = 1  # no worker keeps a run waiting behind the one that it carries out
worker_concurrency = 1  # runs share one account's two requests a second; a second worker is a second process
worker_max_tasks_per_child = 1  # a run reads universe.yaml, .env and the code as they are now
