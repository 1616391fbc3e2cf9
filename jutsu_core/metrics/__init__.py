"""Performance metrics: one definition each, plain NumPy beneath one analyzer."""
