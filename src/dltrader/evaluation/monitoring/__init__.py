"""Monitoring: what became of predictions that were made, and whether their features still look like those of training.

Words of this package:
    prediction   what an ensemble answered at the close of a bar, as the prediction log keeps it
    known        a prediction whose horizon has passed, so that its label is there
    pending      one whose horizon has not
    came true    the recommendation was the side that its label names: the trade paid for its costs, or neither did
    said         the probability that the ensemble gave its recommendation
    drift        features are spread otherwise than over the bars of training
"""
