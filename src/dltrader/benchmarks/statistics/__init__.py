"""Whether statistics say what they claim, on returns whose truth is known.

Words of this package:
    noise     independent normal returns with mean 0: no trial has skill
    path      returns with a known Sharpe ratio that depend on those before them
    rate      how often something happened in independent simulations, beside how often it should
    coverage  the rate with which an interval holds the true value
"""
