"""Card readers: the port, what is known of a card, and a dialogue run over a reader."""

from hw.card.planned import PlannedReads
from hw.card.port import CardInfo, CardPort
from hw.card.reading import Reading, read

__all__ = ["CardInfo", "CardPort", "PlannedReads", "Reading", "read"]
