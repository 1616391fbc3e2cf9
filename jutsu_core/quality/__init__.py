"""Rules over bars that return findings."""
