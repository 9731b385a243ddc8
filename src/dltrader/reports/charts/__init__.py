"""Charts as inline SVG: small, sharp, printable, and coloured by the page's own variables in light and in dark.

Every chart is a function of a width, and is drawn for wide and for narrow screens, so that its words are legible on
both. Nothing here computes a metric.
"""
