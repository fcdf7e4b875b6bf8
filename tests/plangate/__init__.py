"""Tests of `plangate`."""
