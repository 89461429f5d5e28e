"""Evaluation: filtered ranking, calibration and the report. Knows no database and trains nothing."""
