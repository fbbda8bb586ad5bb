"""The reports that the example makes itself: the same ones in every run, and none of them true."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

COUNT = 240
FIRST_DAY = date(2024, 1, 8)
REGIONS = ("North Delta", "Lake District", "Highlands", "Capital", "Coast", "Eastern Plains")
# What reports of a disease say, in words that often do not name it.
DISEASES: dict[str, tuple[str, ...]] = {
    "cholera": (
        "Patients came with rice-water stools and severe dehydration after the flood.",
        "Vibrio was cultured from two wells, serogroup {strain}.",
        "Acute watery diarrhoea spreads along the river where latrines were washed away.",
        "Tap water stayed unsafe, and chlorine tablets were given out.",
    ),
    "dengue": (
        "High temperature and pain behind the eyes; serotype {strain} was typed.",
        "Aedes larvae were found in tyres and flower pots in every second street.",
        "Breakbone cases rose with the rains, and bites in daytime were reported.",
        "Platelets were low in a third of the febrile adults.",
    ),
    "measles": (
        "Spots and cough in unvaccinated pupils of three schools; genotype {strain}.",
        "Koplik spots were seen in toddlers, and doses are short.",
        "An exanthem spread through a nursery before immunization teams arrived.",
        "Infants too young for their first dose were admitted with pneumonia.",
    ),
    "influenza": (
        "Grippe filled the wards with coughing elders; subtype {strain}.",
        "Respiratory complaints doubled in two weeks, and schools closed early.",
        "Sudden pyrexia, sore throat and aching limbs among market traders.",
        "The seasonal vaccine reached half of the nurses.",
    ),
    "malaria": (
        "Plasmodium falciparum was seen on most blood films; lot {strain} of the tests is used.",
        "Anopheles returned after spraying stopped, and bednets are torn.",
        "Febrile children were treated with artemisinin in the villages.",
        "Nets were given to pregnant women at the clinics.",
    ),
    "typhoid": (
        "Salmonella was isolated from blood, strain {strain}, resistant to three drugs.",
        "Guests of a wedding fell ill after eating from one canteen.",
        "A stepladder temperature and stomach pain led to late admissions.",
        "Food sellers at the market were tested, and two carry it.",
    ),
}
# What laboratories call them: names that mean nothing to an embedder.
STRAINS = {
    "cholera": ("O1", "O139"),
    "dengue": ("DENV1", "DENV2", "DENV3"),
    "measles": ("B3", "D8"),
    "influenza": ("H1N1", "H3N2"),
    "malaria": ("L041", "L077"),
    "typhoid": ("H58", "CT18"),
}
TRENDS = ("Numbers rise.", "Numbers are falling.", "Numbers are steady.", "Three people died.", "Nobody died.")


def reports() -> Iterator[dict[str, Any]]:
    """Yield the fields of each report, in the order of their dates."""
    chance = random.Random(2024)  # noqa: S311  # the same reports for everybody
    for number in range(COUNT):
        disease, region = chance.choice(list(DISEASES)), chance.choice(REGIONS)
        strain = chance.choice(STRAINS[disease])
        said = [sentence.format(strain=strain) for sentence in chance.sample(DISEASES[disease], 2)]
        week = number // 4 + 1
        yield {
            "code": f"EPI-2024-{number + 1:04}",
            "disease": disease,
            "region": region,
            "reported_on": FIRST_DAY + timedelta(days=number * 3 // 2),
            "cases": chance.randint(3, 400),
            "title": f"Bulletin {week}, {region}",
            "text": " ".join([*said, chance.choice(TRENDS)]),
        }
