"""Tests of the webserver."""
