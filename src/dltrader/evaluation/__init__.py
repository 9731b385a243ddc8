"""Records in, records out: backtests and what is measured on them."""
