"""What the embedder of this example knows: the words of errands, one meaning a line."""

from __future__ import annotations

from examples.thesaurus import DIMENSIONS, ThesaurusEmbedder

THESAURUS = """
buy purchase get shop shopping order
food groceries milk bread eggs fruit cheese dinner supper eat
doctor dentist health checkup appointment clinic vaccination medicine pharmacy
car bicycle bike tyre tyres garage brakes mechanic
money bank tax taxes invoice bill bills pay rent insurance
house home kitchen bathroom lamp tap paint clean vacuum wash laundry
garden plants flowers water hedge lawn tomatoes
phone call ring write letter email mail answer
friend mother father sister brother family grandmother birthday present party
work report meeting boss office presentation deadline
book read library novel study course learn
travel trip holiday train flight ticket tickets hotel passport
dog cat pet vet walk
computer laptop backup printer password install update
sport run running swim swimming gym exercise
"""
EMBEDDER = ThesaurusEmbedder("errands-1", THESAURUS)

__all__ = ["DIMENSIONS", "EMBEDDER"]
