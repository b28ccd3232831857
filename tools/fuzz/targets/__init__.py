"""Readers in Python: each module's `one` reads an input and says what must hold.

one(data)    raises only when something does not hold: what a user may see, a CrunpyError, it
             takes itself
seeds()      inputs to begin with
TOKENS       words of the language, for whoever changes inputs
MOST         bytes of an input
"""
