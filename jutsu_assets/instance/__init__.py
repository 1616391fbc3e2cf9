"""The Dagster instance of a folder: where its run history lies, how it is begun, and which of its runs are dead."""
