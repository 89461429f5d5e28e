"""Scoring: questions in words to answers in words, with evidence. Knows no database and trains nothing."""
