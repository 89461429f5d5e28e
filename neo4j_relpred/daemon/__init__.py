"""The schedule: looks for changes again and again, retrains at night, and says how it is."""
