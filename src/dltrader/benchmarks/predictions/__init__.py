"""Predictions: how long an answer takes, how long the first one, and whether memory stays what it was.

Words of this package:
    form        how a snapshot tells of the market: by recent bars, or by features that another program has computed
    cold start  from the start of a process to its first answer
"""
