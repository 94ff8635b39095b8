"""Which objects hold beside each other. A bad one harms itself, the younger of two that clash, never the rest."""
