"""What a customer is likely to spend: BG/NBD for how often, Gamma-Gamma for how much.

Formulas: P. Fader, B. Hardie, K. Lee, "Counting Your Customers the Easy Way" (2005), equations 6, 7 and 10, and
P. Fader, B. Hardie, "The Gamma-Gamma Model of Monetary Value" (2013), equations 1a and 5. Time is in weeks.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass

MIN_REPEATERS = 100  # customers who came back; fewer tell too little for four parameters
MAX_SERIES = 5_000  # terms of the hypergeometric series; it converges long before for any real customer
TINY = 1e-12
NEAR = 1e-6


@dataclass(frozen=True, slots=True)
class History:
    """What the models see of a customer.

    repeats: days with a purchase after the first such day. recency: weeks from the first to the last of them.
    age: weeks from the first one until now. mean_value: of a repeat day; None where unknown or never.
    """

    repeats: int
    recency: float
    age: float
    mean_value: float | None = None


@dataclass(frozen=True, slots=True)
class PurchaseModel:
    """BG/NBD: customers buy at rates drawn from Gamma(r, alpha) and drop out with chances from Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float

    def expected_purchases(self, history: History, *, weeks: float) -> float:
        """Return how many purchase days a customer is expected to have in the next `weeks`."""
        x, t_x, age = history.repeats, history.recency, history.age
        a = self.a if abs(self.a - 1) > NEAR else 1 + NEAR  # the formula divides by a - 1; its limit is finite
        ratio: float = ((self.alpha + age) / (self.alpha + age + weeks)) ** (self.r + x)
        series = _hyp2f1(self.r + x, self.b + x, a + self.b + x - 1, weeks / (self.alpha + age + weeks))
        alive_or_not: float = 1.0
        if x:
            alive_or_not += a / (self.b + x - 1) * ((self.alpha + age) / (self.alpha + t_x)) ** (self.r + x)
        found: float = (a + self.b + x - 1) / (a - 1) * (1 - ratio * series) / alive_or_not
        return max(found, 0.0)

    def chance_alive(self, history: History) -> float:
        """Return the chance, 0 to 1, that a customer has not dropped out; 1 for one who bought once."""
        if not history.repeats:
            return 1.0
        x = history.repeats
        odds = self.a / (self.b + x - 1)
        silence: float = ((self.alpha + history.age) / (self.alpha + history.recency)) ** (self.r + x)
        return 1 / (1 + odds * silence)


@dataclass(frozen=True, slots=True)
class ValueModel:
    """Gamma-Gamma: what an average purchase of a customer comes to, known better the more there were."""

    p: float
    q: float
    gamma: float

    def expected_value(self, history: History) -> float:
        """Return the expected value of one purchase day."""
        x = history.repeats if history.mean_value is not None else 0
        return (self.gamma + (history.mean_value or 0) * x) * self.p / (self.p * x + self.q - 1)


def fit_purchases(histories: Iterable[History]) -> PurchaseModel | None:
    """Return the model under which `histories` are likeliest, or None where too few customers came back."""
    counted = Counter((history.repeats, history.recency, history.age) for history in histories)
    if sum(count for (x, _, _), count in counted.items() if x) < MIN_REPEATERS:
        return None
    groups = [(*key, count) for key, count in counted.items()]
    return PurchaseModel(*_maximize(lambda point: _purchase_likelihood(point, groups), start=(1.0, 1.0, 1.0, 1.0)))


def fit_values(histories: Iterable[History]) -> ValueModel | None:
    """Return the model of values, or None: too few customers with a known value, or no finite expected one."""
    known = [(h.repeats, h.mean_value) for h in histories if h.repeats and h.mean_value and h.mean_value > 0]
    if len(known) < MIN_REPEATERS:
        return None
    scale = math.fsum(value for _, value in known) / len(known)  # crowns or euros: the search begins at 1
    scaled = [(x, value / scale) for x, value in known]
    p, q, gamma = _maximize(lambda point: _value_likelihood(point, scaled), start=(1.0, 2.0, 1.0))
    return ValueModel(p, q, gamma * scale) if q > 1 else None


def purchase_log_likelihood(model: PurchaseModel, histories: Iterable[History]) -> float:
    """Return how likely `histories` are under the model, as the natural logarithm."""
    return _purchase_likelihood(astuple(model), [(h.repeats, h.recency, h.age, 1) for h in histories])


def _purchase_likelihood(point: Sequence[float], groups: Sequence[tuple[int, float, float, int]]) -> float:
    r, alpha, a, b = point
    log, lgamma = math.log, math.lgamma
    fixed = r * log(alpha) - lgamma(r)
    by_repeats = {
        x: lgamma(r + x) + fixed + lgamma(a + b) + lgamma(b + x) - lgamma(b) - lgamma(a + b + x)
        for x in {group[0] for group in groups}
    }
    dropped = {x: log(a / (b + x - 1)) for x in by_repeats if x}
    total = 0.0
    for x, t_x, age, count in groups:
        alive = -(r + x) * log(alpha + age)
        if x:
            gone = dropped[x] - (r + x) * log(alpha + t_x)
            high, low = (alive, gone) if alive > gone else (gone, alive)
            alive = high + math.log1p(math.exp(low - high))
        total += count * (by_repeats[x] + alive)
    return total


def _value_likelihood(point: Sequence[float], known: Sequence[tuple[int, float]]) -> float:
    p, q, gamma = point
    log, lgamma = math.log, math.lgamma
    by_repeats = {x: lgamma(p * x + q) - lgamma(p * x) - lgamma(q) + q * log(gamma) + p * x * log(x) for x, _ in known}
    return math.fsum(
        by_repeats[x] + (p * x - 1) * log(value) - (p * x + q) * log(gamma + value * x) for x, value in known
    )


def _hyp2f1(a: float, b: float, c: float, z: float) -> float:
    """Return Gauss's hypergeometric function for 0 <= z < 1 by its series."""
    term = total = 1.0
    for n in range(MAX_SERIES):
        term *= (a + n) * (b + n) / ((c + n) * (n + 1)) * z
        total += term
        if abs(term) < TINY * abs(total):
            break
    return total


Point = list[float]


def _maximize(function: Callable[[Sequence[float]], float], *, start: Sequence[float]) -> Point:
    """Return the positive arguments at which `function` is greatest: Nelder and Mead's search, on logarithms."""

    def cost(point: Point) -> float:
        try:
            return -function([math.exp(value) for value in point])
        except (OverflowError, ValueError):
            return math.inf

    best = [math.log(value) for value in start]
    for _ in range(3):  # a simplex may collapse too early; a fresh one around its end goes on
        best = _nelder_mead(cost, best)
    return [math.exp(value) for value in best]


def _nelder_mead(cost: Callable[[Point], float], start: Point, *, steps: int = 400, close: float = 1e-5) -> Point:
    """Source: J. Nelder, R. Mead, "A Simplex Method for Function Minimization" (1965)."""
    corners = [start, *([*start[:i], start[i] + 0.5, *start[i + 1 :]] for i in range(len(start)))]
    simplex = sorted((cost(corner), corner) for corner in corners)
    for _ in range(steps):
        if simplex[-1][0] - simplex[0][0] < close:
            break
        middle = [sum(values) / len(start) for values in zip(*(point for _, point in simplex[:-1]), strict=True)]
        simplex = sorted(_step(cost, simplex, middle))
    return simplex[0][1]


def _step(
    cost: Callable[[Point], float], simplex: list[tuple[float, Point]], middle: Point
) -> list[tuple[float, Point]]:
    """Return the simplex with its worst corner moved, or all of it drawn towards the best one."""
    worst, best = simplex[-1], simplex[0]

    def moved(factor: float) -> tuple[float, Point]:
        point = [m + factor * (m - w) for m, w in zip(middle, worst[1], strict=True)]
        return cost(point), point

    reflected = moved(1.0)
    if reflected < best:
        return [*simplex[:-1], min(reflected, moved(2.0))]
    if reflected < simplex[-2]:
        return [*simplex[:-1], reflected]
    contracted = moved(0.5 if reflected < worst else -0.5)
    if contracted < min(reflected, worst):
        return [*simplex[:-1], contracted]
    shrunk = ([(b + p) / 2 for b, p in zip(best[1], point, strict=True)] for _, point in simplex[1:])
    return [best, *((cost(point), point) for point in shrunk)]
