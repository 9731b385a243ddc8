"""Statistics of returns: how much of a result may be luck, and over how many trials it was chosen.

Words, the same in every file:

- *returns*: simple returns from bar to bar, as fractions; 0.01 is 1 %.
- *Sharpe ratio*: mean over standard deviation (n - 1 in the denominator) of returns, against a risk-free rate of 0,
  **per period**, that is per bar. Where it is per year, its name says `annual`: annual = per period times the root of
  the periods in a year.
- *kurtosis*: the fourth standardised moment, 3 for normal returns; never the excess over 3.
- *trial*: one strategy that was tried, whether it was shown or not.

What cannot be computed is nan, never an exception; records then say why in `why`. Arguments that cannot be, such as a
level of 2, are refused with ConfigError.
"""
