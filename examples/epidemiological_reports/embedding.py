"""What the embedder of this example knows: the words of outbreaks, one meaning a line."""

from __future__ import annotations

from examples.thesaurus import DIMENSIONS, ThesaurusEmbedder

THESAURUS = """
cholera vibrio rice-water
diarrhoea diarrhea stools gastroenteritis dehydration
water wells drinking tap flood flooding sanitation latrines
dengue breakbone
mosquito mosquitoes aedes larvae bites
measles rubeola koplik
rash exanthem spots
vaccine vaccines vaccination unvaccinated immunization immunisation doses
children infants toddlers pupils school schools
influenza flu grippe
cough coughing respiratory breathing pneumonia
fever febrile pyrexia temperature
malaria plasmodium falciparum
nets bednets anopheles spraying
meningitis meningococcal
neck stiffness headache
typhoid salmonella
food meals eating canteen market
death deaths died fatal fatalities
rise rising increase surge more
fall falling decline fewer waning
"""
EMBEDDER = ThesaurusEmbedder("thesaurus-1", THESAURUS)

__all__ = ["DIMENSIONS", "EMBEDDER"]
