"""How often a person and the model say the same, concept by concept, and how sure that is."""

import collections
import dataclasses
import math
import typing

import numpy
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

ENOUGH = 20  # texts drawn at random, below which nothing is said of a question
MODERATE = 0.6  # kappa, below which labels are hardly of use


@dataclasses.dataclass
class Agreement:
    """Shares are in 0 to 1; ranges are 95 % confidence intervals."""

    concept: str
    texts: int  # drawn at random and checked
    agreed: int
    accuracy: float | None
    accuracy_range: tuple[float, float] | None  # Wilson
    kappa: float | None  # Cohen's; None where both always name one and the same class
    kappa_range: tuple[float, float] | None
    confused: tuple[str, str, int] | None  # the model says the first where the person says the second, so often

    @property
    def advice(self) -> str:
        """What to do about the question."""
        if self.texts < ENOUGH:
            return f"too few to say: {self.texts} of {ENOUGH} texts drawn at random"
        wrong = (
            "; most often the model says {!r} where you say {!r} ({} times)".format(*self.confused)
            if self.confused
            else ""
        )
        # Where the model always names one class, kappa's range may not be defined.
        within = self.kappa_range or self.accuracy_range
        if self.kappa is not None and within and within[1] < MODERATE:
            return f"rewrite the question, or ask a better model{wrong}"
        if self.kappa is not None and self.kappa < MODERATE:
            return f"perhaps rewrite the question; more checked texts will tell{wrong}"
        return "of use as it is" + wrong


def measure(concept: str, classes: list[str], pairs: typing.Sequence[tuple[str, str]]) -> Agreement:
    """Of what (the model, a person) said of texts that were drawn at random."""
    agreed = sum(model == person for model, person in pairs)
    confusions = collections.Counter(pair for pair in pairs if pair[0] != pair[1])
    confused = next(((*pair, count) for pair, count in confusions.most_common(1)), None)
    if not pairs:
        return Agreement(concept, 0, 0, None, None, None, None, None)
    low, high = proportion_confint(agreed, len(pairs), alpha=0.05, method="wilson")
    kappa, kappa_range = None, None
    if len({each for pair in pairs for each in pair}) > 1:
        places = {each: i for i, each in enumerate(classes)}
        table = numpy.zeros((len(classes), len(classes)))
        for model, person in pairs:
            table[places[model], places[person]] += 1
        with numpy.errstate(all="ignore"):
            found = cohens_kappa(table)
        kappa = float(found.kappa)
        kappa_range = (float(found.kappa_low), float(found.kappa_upp))
        if not all(map(math.isfinite, (kappa, *kappa_range))):
            kappa_range = None
            kappa = kappa if math.isfinite(kappa) else None
    return Agreement(
        concept, len(pairs), agreed, agreed / len(pairs), (float(low), float(high)), kappa, kappa_range, confused
    )


def told(found: Agreement) -> str:
    """On one line."""
    if found.accuracy is None or found.accuracy_range is None:
        return f"{found.concept}: {found.advice}"
    low, high = found.accuracy_range
    line = f"{found.concept}: agreed in {found.agreed} of {found.texts}, {found.accuracy:.0%} ({low:.0%} to {high:.0%})"
    if found.kappa is not None:
        line += f", kappa {found.kappa:.2f}"
        if found.kappa_range:
            line += f" ({found.kappa_range[0]:.2f} to {found.kappa_range[1]:.2f})"
    return f"{line}: {found.advice}"
