"""The prompts: their text in each language, and the sounds built from it in the data folder.

The sounds are headerless 8 kHz 16-bit mono. A recording of the organisation's own takes precedence over synthesis.
"""

from ivr.prompts.builder import Built, build, build_from, placeholders, problems
from ivr.prompts.synthesis import TONE_HZ, TONE_S
from ivr.prompts.words import words_of

__all__ = ["TONE_HZ", "TONE_S", "Built", "build", "build_from", "placeholders", "problems", "words_of"]
