"""mlbd announces the addresses of LoadBalancer Services from the hosts themselves."""

__version__ = "0.1.0"
