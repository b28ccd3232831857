"""Names for containers that were given none: an adjective and a person of science."""

from __future__ import annotations

import os

_ADJECTIVES = """
agile amber bold brave bright calm clever crisp daring eager early fair fleet gentle golden
happy honest humble jolly keen kind lively lucid mellow merry mild neat nimble noble patient
plucky proud quick quiet rapid serene sharp silent sleek smart snug steady still sunny swift
tidy tranquil upbeat vivid warm wise witty young zesty
"""
_PEOPLE = """
ampere archimedes babbage banach bell bohr boole bose brahe cantor cauchy cavendish chandra
conway copernicus cori curie dalton darwin dijkstra dirac edison einstein elion euclid euler
faraday fermat fermi feynman fourier franklin galileo galois gauss germain goodall hamilton
hawking herschel hilbert hodgkin hopper huygens joliot joule kepler kovalevskaya lamarr
laplace leavitt leibniz lovelace maxwell meitner mendel mirzakhani newton noether pascal
pasteur payne planck ptolemy ramanujan raman ride riemann ritchie rubin sagan shannon
somerville tesla turing volta wing wright wu yalow
"""


def generate() -> str:
    """A name like `keen_noether`; it may be taken."""
    adjectives, people = _ADJECTIVES.split(), _PEOPLE.split()
    number = int.from_bytes(os.urandom(4), "little")
    return f"{adjectives[number % len(adjectives)]}_{people[number // 64 % len(people)]}"
