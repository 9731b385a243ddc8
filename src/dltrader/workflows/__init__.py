"""One function per use-case; the command line, notebooks and services only call these."""
