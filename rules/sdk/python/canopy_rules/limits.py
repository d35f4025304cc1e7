"""The contract `limits`: wit/limits.wit says what each field means.

A rule is a module `rule` with a function `evaluate(input: LimitsInput) -> LimitsAnswer`.
"""

from dataclasses import dataclass, field
from enum import Enum


class AccountKind(Enum):
    """What an account is."""

    PLATFORM = 0
    MAIN = 1
    SUBACCOUNT = 2


class CreditMode(Enum):
    """How a subaccount's usage is paid for."""

    MANUAL = 0
    RESELLING = 1


class KeyPolicy(Enum):
    """Who has API keys for a subaccount."""

    OWN = 0
    AUTO_ONE = 1
    PARENT_ONLY = 2


class MemberPolicy(Enum):
    """Who the members of a subaccount are."""

    OWN = 0
    INHERITED = 1


@dataclass
class AccountFacts:
    """The account asked about."""

    path: str
    kind: AccountKind
    level: int
    credit_mode: CreditMode | None


@dataclass
class ResourceCount:
    """How many of a resource the account has now."""

    name: str
    used: int


@dataclass
class LimitsInput:
    """What a limits rule is asked. `configuration` is JSON."""

    plan: str
    account: AccountFacts
    counts: list[ResourceCount]
    configuration: str


@dataclass
class ResourceLimit:
    """The most that the account may have of one resource. No maximum: unlimited."""

    name: str
    max: int | None
    reason: str = ""


@dataclass
class StarterCredits:
    """Credits that a new subaccount is given; the value of one is in micro-units."""

    count: int = 0
    credit_value: int = 0


@dataclass
class Policy:
    """What holds for the subaccounts of the account asked about. The first credit mode is the default."""

    keys: KeyPolicy = KeyPolicy.OWN
    members: MemberPolicy = MemberPolicy.OWN
    starter_credits: StarterCredits = field(default_factory=StarterCredits)
    credit_modes: list[CreditMode] = field(default_factory=lambda: [CreditMode.MANUAL])
    shared_resources: list[str] = field(default_factory=list)
    allow_below_cost: bool = False


@dataclass
class LimitsAnswer:
    """At most 64 limits, each name once; a resource that is not named is unlimited."""

    limits: list[ResourceLimit]
    policy: Policy = field(default_factory=Policy)
