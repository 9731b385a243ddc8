"""Reports: what was found, laid out to be read. One self-contained page, its Markdown twin, and every number as JSON.

Glossary:
    book        the numbers of a report, each under a key; nothing else prints a number
    block       a paragraph, card, table, picture or source; a section is made of blocks, a page of sections
    page        one HTML file that asks the network for nothing, complete without a script
    twin        the same blocks as Markdown

Series that are drawn are computed in `evaluation/`; here they are only laid out.
"""
