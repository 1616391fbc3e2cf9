"""Charles Schwab: session, tokens, throttle, breaker, fetcher."""
