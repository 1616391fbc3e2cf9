"""The reader of files of bars, whoever wrote them."""
