"""Bars of which it is known how well they can be forecast, so that forecasters can be scored against the best there is.

Words of this package:
    forward return  ln(close of t+h / open of t+1): what a trade over h bars moves by, before costs
    breakeven       forward return from which on a long trade pays for its costs; a short one needs as much downwards
    law             what chance makes of the forward return, given all that can be known at a close: a normal one here
    best            log loss of who knows the law: nobody can expect a smaller one on unseen bars
    base rate       log loss of who always says how often each class came on the bars that were learned from
    achievable      base rate less best: what there is to be learned
    share           base rate less a model's log loss, over the achievable; 1 is all there was, 0 nothing
    shuffled bars   a real market's moves in random order: the best there is the base rate
"""
