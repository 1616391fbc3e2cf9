"""All that knows Dagster: assets, checks, resources, partitions, jobs, sensors; put together in ``definitions``."""
