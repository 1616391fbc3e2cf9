"""Charles Schwab: session, tokens, throttle, fetcher, simulator."""
