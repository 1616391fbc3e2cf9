"""A WSGI application that speaks Schwab's wire protocol over real bars."""
