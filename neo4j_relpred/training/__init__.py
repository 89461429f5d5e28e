"""Training: fits each member, the reasoner and the calibration within a time budget. Knows no database."""
