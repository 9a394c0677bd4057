"""Verifiers: functions that decide whether an answer solves a puzzle."""
