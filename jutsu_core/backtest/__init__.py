"""A small event loop over any ``DataHandler``: the reference consumer of the core's interfaces."""
