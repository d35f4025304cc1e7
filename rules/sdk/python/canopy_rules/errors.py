"""How a rule says that it has no answer."""


class Refusal(Exception):
    """Why a rule has no answer. Any other exception counts as a crash of the rule.

    Its kind is `configuration` (the configuration cannot be used: say which key is wrong, and how), `unsupported`
    (the rule has no answer for this input) or `failed` (anything else).
    """

    KINDS = ("configuration", "unsupported", "failed")

    def __init__(self, kind: str, message: str) -> None:
        if kind not in self.KINDS:
            raise ValueError(f"there is no refusal {kind}")
        super().__init__(message)
        self.kind = kind
        self.message = message
