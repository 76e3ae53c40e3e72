"""What is said: the words in each language, and the sounds built of them in the data folder.

The sounds are headerless 8 kHz 16-bit mono. A recording of the organisation's own wins over words spoken by a machine.
"""

from ivr.prompts.builder import Built, build, build_from, placeholders, problems
from ivr.prompts.synthesis import TONE_HZ, TONE_S
from ivr.prompts.words import words_of

__all__ = ["TONE_HZ", "TONE_S", "Built", "build", "build_from", "placeholders", "problems", "words_of"]
